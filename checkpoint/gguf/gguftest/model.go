package gguftest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"
	"testing"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/checkpoint/safetensors"
	"expertfs/checkpoint/source"

	"github.com/stretchr/testify/require"
)

// Form is how a model is written.
type Form struct {
	Ollama  bool   // its names, with fused tensors
	Experts uint32 // MXFP4, or Ollama
	Dense   uint32 // type of the large matrices
	Biases  uint32 // type of the experts' biases
}

// Forms are the ones that llama.cpp's and Ollama's converters make.
var Forms = map[string]Form{
	"bf16":     {Experts: MXFP4, Dense: BF16, Biases: F32},
	"f16":      {Experts: MXFP4, Dense: F16, Biases: F32},
	"f32":      {Experts: MXFP4, Dense: F32, Biases: F32},
	"q8_0":     {Experts: MXFP4, Dense: Q8_0, Biases: F32},
	"ollama4":  {Ollama: true, Experts: Ollama, Dense: BF16, Biases: BF16},
	"ollama39": {Ollama: true, Experts: MXFP4, Dense: BF16, Biases: F32},
}

// Model returns the metadata and the tensors of a checkpoint whose dense weights
// are BF16.
func Model(t testing.TB, ck *checkpoint.Checkpoint, f Form) ([]KV, []Tensor) {
	t.Helper()
	m := &maker{t: t, ck: ck, form: f}
	m.dense("", ck.Embedding(), map[string]string{"embedding.weight": "token_embd.weight"})
	for layer := range ck.Config().Layers {
		m.layer(layer)
	}
	m.dense("", ck.Unembedding(), map[string]string{"norm.scale": "output_norm.weight", "unembedding.weight": "output.weight"})
	return metadata(t, ck, f), m.tensors
}

// maker collects tensors.
type maker struct {
	t       testing.TB
	ck      *checkpoint.Checkpoint
	form    Form
	tensors []Tensor
}

// read returns the tensors of a view: their data, by their names.
func (m *maker) read(v *checkpoint.View) map[string][]byte {
	m.t.Helper()
	data, err := m.ck.ReadAll(v)
	require.NoError(m.t, err)
	h, err := safetensors.ReadHeader(bytes.NewReader(data), v.Size())
	require.NoError(m.t, err)
	out := map[string][]byte{}
	for _, x := range h.Tensors {
		out[x.Name] = data[x.Offset : x.Offset+x.Length]
	}
	return out
}

// add appends a tensor of BF16 data with rows of so many values.
func (m *maker) add(name string, data []byte, rows, columns int) {
	kind := uint32(F32)
	if strings.Contains(name, "_exps.bias") {
		kind = m.form.Biases
	} else if rows > 1 && !strings.Contains(name, "ffn_gate_inp") {
		kind = m.form.Dense
	}
	dims := []uint64{uint64(columns)}
	if rows > 1 {
		dims = append(dims, uint64(rows))
	}
	m.tensors = append(m.tensors, Tensor{name, dims, kind, Quantise(kind, Values(data))})
}

// dense adds tensors of a view under other names.
func (m *maker) dense(prefix string, v *checkpoint.View, names map[string]string) {
	m.t.Helper()
	all, c := m.read(v), m.ck.Config()
	for _, name := range sorted(names) {
		data := all[name]
		rows, columns := 1, len(data)/2
		switch name {
		case "embedding.weight", "unembedding.weight", "mlp.gate.weight", "attn.qkv.weight":
			rows, columns = len(data)/2/c.Hidden, c.Hidden
		case "attn.out.weight":
			rows, columns = c.Hidden, c.Heads*c.HeadDim
		}
		m.add(prefix+names[name], data, rows, columns)
	}
}

func sorted(names map[string]string) []string {
	var keys []string
	for k := range names {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// layer adds the tensors of a layer.
func (m *maker) layer(layer int) {
	m.t.Helper()
	c, prefix := m.ck.Config(), fmt.Sprintf("blk.%d.", layer)
	names := map[string]string{
		"attn.norm.scale": "attn_norm.weight", "attn.sinks": "attn_sinks.weight", "attn.out.weight": "attn_output.weight",
		"attn.out.bias": "attn_output.bias", "mlp.norm.scale": "post_attention_norm.weight",
		"mlp.gate.weight": "ffn_gate_inp.weight", "mlp.gate.bias": "ffn_gate_inp.bias",
	}
	if m.form.Ollama {
		names["attn.qkv.weight"], names["attn.qkv.bias"] = "attn_qkv.weight", "attn_qkv.bias"
		names["attn.sinks"], names["attn.out.weight"], names["attn.out.bias"] = "attn_sinks", "attn_out.weight", "attn_out.bias"
		names["mlp.norm.scale"] = "ffn_norm.weight"
	} else {
		all := m.read(m.ck.Dense(layer))
		weight, bias := all["attn.qkv.weight"], all["attn.qkv.bias"]
		for i, rows := range []int{c.Heads * c.HeadDim, c.KVHeads * c.HeadDim, c.KVHeads * c.HeadDim} {
			name := prefix + "attn_" + "qkv"[i:i+1]
			m.add(name+".weight", weight[:2*rows*c.Hidden], rows, c.Hidden)
			m.add(name+".bias", bias[:2*rows], 1, rows)
			weight, bias = weight[2*rows*c.Hidden:], bias[2*rows:]
		}
	}
	m.dense(prefix, m.ck.Dense(layer), names)
	m.experts(layer, prefix)
}

// experts adds the stacked tensors of a layer's experts.
func (m *maker) experts(layer int, prefix string) {
	m.t.Helper()
	c := m.ck.Config()
	weights, biases := map[string][]byte{}, map[string][]byte{}
	addRow := func(name string, blocks, scales, bias []byte) {
		for i, scale := range scales {
			weights[name] = append(weights[name], scale)
			weights[name] = append(weights[name], m.block(blocks[16*i:16*i+16])...)
		}
		biases[name] = append(biases[name], bias...)
	}
	for e := range c.Experts {
		all := m.read(m.ck.Expert(expertfs.NewKey(layer, e)))
		for row := range 2 * c.Intermediate {
			name := []string{"gate", "up"}[row%2]
			if m.form.Ollama {
				name = "gate_up"
			}
			n := c.Hidden / 32
			addRow(name, all["mlp1_weight.blocks"][row*n*16:(row+1)*n*16], all["mlp1_weight.scales"][row*n:(row+1)*n], all["mlp1_bias"][2*row:2*row+2])
		}
		for row := range c.Hidden {
			n := c.Intermediate / 32
			addRow("down", all["mlp2_weight.blocks"][row*n*16:(row+1)*n*16], all["mlp2_weight.scales"][row*n:(row+1)*n], all["mlp2_bias"][2*row:2*row+2])
		}
	}
	for _, name := range []string{"gate", "up", "gate_up", "down"} {
		if weights[name] == nil {
			continue
		}
		columns := c.Hidden
		if name == "down" {
			columns = c.Intermediate
		}
		rows := len(weights[name]) / 17 * 32 / columns / c.Experts
		m.tensors = append(m.tensors, Tensor{
			prefix + "ffn_" + name + "_exps.weight", []uint64{uint64(columns), uint64(rows), uint64(c.Experts)}, m.form.Experts, weights[name],
		})
		m.add(prefix+"ffn_"+name+"_exps.bias", biases[name], c.Experts, rows)
	}
}

// block returns the 16 bytes of a block in the order of the form's type.
func (m *maker) block(openAI []byte) []byte {
	if m.form.Experts == Ollama {
		return openAI
	}
	var value [32]byte
	for i, b := range openAI {
		value[2*i], value[2*i+1] = b&15, b>>4
	}
	out := make([]byte, 16)
	for j := range out {
		out[j] = value[j] | value[j+16]<<4
	}
	return out
}

// metadata returns what the converters say of a model.
func metadata(t testing.TB, ck *checkpoint.Checkpoint, f Form) []KV {
	t.Helper()
	c, arch := ck.Config(), "gpt-oss"
	if f.Ollama {
		arch = "gptoss"
	}
	kvs := []KV{{"general.architecture", arch}, {"general.name", "a test"}, {"general.file_type", uint32(38)}}
	add := func(key string, v any) { kvs = append(kvs, KV{arch + "." + key, v}) }
	for key, n := range map[string]int{
		"context_length": int(float64(c.Rope.InitialContext) * c.Rope.Factor), "block_count": c.Layers, "embedding_length": c.Hidden,
		"feed_forward_length": c.Intermediate, "expert_count": c.Experts, "expert_used_count": c.TopK,
		"attention.head_count": c.Heads, "attention.head_count_kv": c.KVHeads, "attention.key_length": c.HeadDim,
		"attention.value_length": c.HeadDim, "attention.sliding_window": c.Window,
		"rope.scaling.original_context_length": c.Rope.InitialContext,
	} {
		add(key, uint32(n))
	}
	add("attention.layer_norm_rms_epsilon", float32(c.RMSEps))
	add("rope.freq_base", float32(c.Rope.Theta))
	add("rope.scaling.factor", float32(c.Rope.Factor))
	if !f.Ollama {
		add("expert_feed_forward_length", uint32(c.Intermediate))
		add("rope.scaling.type", "yarn")
		add("rope.scaling.yarn_beta_fast", float32(c.Rope.Beta))
		add("rope.scaling.yarn_beta_slow", float32(c.Rope.Alpha))
	}
	return append(kvs, tokenizer(t, ck, f)...)
}

// TokenizerFile is what of a tokenizer.json goes to GGUF.
type TokenizerFile struct {
	Model struct {
		Vocab  map[string]int
		Merges merges
	}
	Added []struct {
		ID      int
		Content string
	} `json:"added_tokens"`
}

// merges are pairs of tokens with a blank between, however the file has them.
type merges []string

func (m *merges) UnmarshalJSON(text []byte) error {
	var pairs [][2]string
	if json.Unmarshal(text, &pairs) != nil {
		return json.Unmarshal(text, (*[]string)(m))
	}
	for _, p := range pairs {
		*m = append(*m, p[0]+" "+p[1])
	}
	return nil
}

// Tokenizer reads a checkpoint's tokenizer.json; it is empty when there is none.
func Tokenizer(t testing.TB, ck *checkpoint.Checkpoint) (file TokenizerFile) {
	t.Helper()
	for _, s := range ck.Small() {
		if s.Name() == "tokenizer.json" {
			text, err := io.ReadAll(source.Section(s))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &file))
		}
	}
	return file
}

// tokenizer returns the metadata of a checkpoint's tokenizer.
func tokenizer(t testing.TB, ck *checkpoint.Checkpoint, f Form) []KV {
	t.Helper()
	file := Tokenizer(t, ck)
	if file.Model.Vocab == nil {
		return []KV{{"tokenizer.ggml.model", "none"}}
	}
	size := ck.Config().Vocab
	tokens, types := make([]string, size), make([]int32, size)
	for i := range tokens {
		tokens[i], types[i] = fmt.Sprintf("[PAD%d]", i), 5
	}
	for token, id := range file.Model.Vocab {
		tokens[id], types[id] = token, 1
	}
	kvs := []KV{{"tokenizer.ggml.model", "gpt2"}, {"tokenizer.ggml.pre", "gpt-4o"}}
	for _, a := range file.Added {
		tokens[a.ID], types[a.ID] = a.Content, 3
		if a.Content == "<|return|>" {
			kvs = append(kvs, KV{"tokenizer.ggml.eos_token_id", uint32(a.ID)})
		}
	}
	return append(kvs, KV{"tokenizer.ggml.tokens", tokens}, KV{"tokenizer.ggml.token_type", types}, KV{"tokenizer.ggml.merges", []string(file.Model.Merges)})
}
