package gguf

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"expertfs/checkpoint/config"
	"expertfs/checkpoint/synth"
)

// Model is the dimensions of a model.
type Model struct {
	Layers         int
	Vocab          int // rows of the embedding and of the unembedding
	Hidden         int // width of the residual stream, and inside an expert
	Experts        int // in each layer, of which a token uses topK
	Heads, KVHeads int // of headDim values each
}

const headDim, topK = 64, 4

// gpt-oss-20b's.
const fullLayers, fullVocab = 24, 201088

// Part is a model of so many of gpt-oss-20b's 24 layers. The vocabulary is cut down
// alike, so that experts, attention and unembedding keep their shares of a token's bytes.
func Part(layers int) Model {
	return Model{Layers: layers, Vocab: fullVocab * layers / fullLayers / 64 * 64, Hidden: 2880, Experts: 32, Heads: 64, KVHeads: 8}
}

// Types of tensors, as GGUF numbers them.
const (
	typeF32   = 0
	typeQ8    = 8
	typeMXFP4 = 39
)

// tensor is one of the file. Shape is in GGUF's order: columns first.
type tensor struct {
	name  string
	kind  uint32
	shape []int
	fill  func(data []byte, rng *rand.Rand, bytes *rand.ChaCha8)
}

// size in bytes.
func (t *tensor) size() int64 {
	n := int64(1)
	for _, d := range t.shape {
		n *= int64(d)
	}
	switch t.kind {
	case typeQ8:
		return n / 32 * 34
	case typeMXFP4:
		return n / 32 * 17
	}
	return n * 4
}

// normal fills with F32 of a normal distribution.
func normal(mean, deviation float64) func([]byte, *rand.Rand, *rand.ChaCha8) {
	return func(data []byte, rng *rand.Rand, _ *rand.ChaCha8) {
		for i := 0; i < len(data); i += 4 {
			binary.LittleEndian.PutUint32(data[i:], math.Float32bits(float32(mean+deviation*rng.NormFloat64())))
		}
	}
}

// q8 fills with blocks of a half-precision scale and 32 whole numbers, whose values
// deviate by so much.
func q8(deviation float64) func([]byte, *rand.Rand, *rand.ChaCha8) {
	scale := half(deviation / 73.9) // of whole numbers spread evenly over a byte
	return func(data []byte, _ *rand.Rand, bytes *rand.ChaCha8) {
		_, _ = bytes.Read(data) // never fails
		for i := 0; i < len(data); i += 34 {
			binary.LittleEndian.PutUint16(data[i:], scale)
		}
	}
}

// mxfp4 fills with blocks of a power of two and 32 values of four bits, which deviate
// by about so much.
func mxfp4(deviation float64) func([]byte, *rand.Rand, *rand.ChaCha8) {
	exponent := byte(127 + math.Round(math.Log2(deviation/2.926)))
	return func(data []byte, _ *rand.Rand, bytes *rand.ChaCha8) {
		_, _ = bytes.Read(data)
		for i := 0; i < len(data); i += 17 {
			data[i] = exponent - data[i]&1
		}
	}
}

// half is x, which is a normal number in half precision, cut to its bits.
func half(x float64) uint16 {
	bits := math.Float32bits(float32(x))
	return uint16((bits>>23-112)<<10 | bits>>13&0x3ff)
}

// tensors lists those of a model in the order of the file. Weights are drawn as those
// of synthetic checkpoints are, so that the router prefers some experts, and those of
// the token before, about as much as the published model's.
func (m Model) tensors() []*tensor {
	hidden, experts := m.Hidden, m.Experts
	c := &config.Config{Layers: m.Layers, Hidden: hidden, Intermediate: hidden, Heads: m.Heads, HeadDim: headDim}
	var list []*tensor
	f32 := func(name, kind string, shape ...int) {
		list = append(list, &tensor{name, typeF32, shape, normal(synth.Moments(c, kind))})
	}
	dense := func(name, kind string, columns, rows int) {
		_, deviation := synth.Moments(c, kind)
		list = append(list, &tensor{name, typeQ8, []int{columns, rows}, q8(deviation)})
	}
	dense("token_embd.weight", "embedding.weight", hidden, m.Vocab)
	for l := range m.Layers {
		p := fmt.Sprintf("blk.%d.", l)
		f32(p+"attn_norm.weight", "attn.norm.scale", hidden)
		for _, qkv := range []struct {
			name string
			rows int
			bias float64
		}{{"q", m.Heads * headDim, synth.LocalBias}, {"k", m.KVHeads * headDim, synth.LocalBias}, {"v", m.KVHeads * headDim, 0}} {
			dense(p+"attn_"+qkv.name+".weight", "attn.qkv.weight", hidden, qkv.rows)
			mean, deviation := synth.Moments(c, "attn.qkv.bias")
			list = append(list, &tensor{p + "attn_" + qkv.name + ".bias", typeF32, []int{qkv.rows}, normal(mean+qkv.bias, deviation)})
		}
		f32(p+"attn_sinks.weight", "attn.sinks", m.Heads)
		dense(p+"attn_output.weight", "attn.out.weight", m.Heads*headDim, hidden)
		f32(p+"attn_output.bias", "attn.out.bias", hidden)
		f32(p+"post_attention_norm.weight", "mlp.norm.scale", hidden)
		f32(p+"ffn_gate_inp.weight", "mlp.gate.weight", hidden, experts)
		f32(p+"ffn_gate_inp.bias", "mlp.gate.bias", experts)
		for _, part := range []struct{ name, kind string }{{"gate", "mlp.mlp1"}, {"up", "mlp.mlp1"}, {"down", "mlp.mlp2"}} {
			_, deviation := synth.Moments(c, part.kind+"_weight")
			list = append(list, &tensor{p + "ffn_" + part.name + "_exps.weight", typeMXFP4, []int{hidden, hidden, experts}, mxfp4(deviation)})
			f32(p+"ffn_"+part.name+"_exps.bias", part.kind+"_bias", hidden, experts)
		}
	}
	f32("output_norm.weight", "norm.scale", hidden)
	dense("output.weight", "unembedding.weight", hidden, m.Vocab)
	return list
}

// Size of the data of a model in bytes: nearly that of its file.
func (m Model) Size() int64 {
	size := int64(0)
	for _, t := range m.tensors() {
		size += t.size()
	}
	return size
}

// Write writes a model into the file path, which is complete when it is there. Equal
// models are equal files.
func Write(path string, m Model) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	part := path + ".part"
	f, err := os.Create(part)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
		if err == nil {
			err = os.Rename(part, path)
		}
		if err != nil {
			os.Remove(part)
		}
	}()
	w := bufio.NewWriterSize(f, 8<<20)
	tensors := m.tensors()
	head := header(m, tensors)
	if _, err := w.Write(head); err != nil {
		return err
	}
	bytes := rand.NewChaCha8([32]byte{byte(m.Layers)})
	rng := rand.New(bytes)
	const piece = 32 * 17 * 34 * 256 // whole blocks of each type
	buffer := make([]byte, piece)
	for _, t := range tensors {
		for left := t.size(); left > 0; {
			data := buffer[:min(left, piece)]
			t.fill(data, rng, bytes)
			if _, err := w.Write(data); err != nil {
				return err
			}
			left -= int64(len(data))
		}
		if _, err := w.Write(make([]byte, padded(t.size())-t.size())); err != nil {
			return err
		}
	}
	return w.Flush()
}

// padded is a size as the file has it: the next tensor begins at a multiple of 32.
func padded(size int64) int64 { return (size + 31) / 32 * 32 }

// header is all that comes before the data of the tensors.
func header(m Model, tensors []*tensor) []byte {
	var kv []byte
	count := uint64(0)
	add := func(key string, value any) {
		count++
		kv = appendString(kv, key)
		switch v := value.(type) {
		case int:
			kv = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(kv, 4), uint32(v))
		case float32:
			kv = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(kv, 6), math.Float32bits(v))
		case string:
			kv = appendString(binary.LittleEndian.AppendUint32(kv, 8), v)
		}
	}
	add("general.architecture", "gpt-oss")
	add("general.name", fmt.Sprintf("random weights, %d of gpt-oss-20b's %d layers", m.Layers, fullLayers))
	for _, p := range []struct {
		key   string
		value any
	}{
		{"context_length", 131072}, {"embedding_length", m.Hidden}, {"block_count", m.Layers}, {"feed_forward_length", m.Hidden},
		{"attention.head_count", m.Heads}, {"attention.head_count_kv", m.KVHeads}, {"attention.key_length", headDim}, {"attention.value_length", headDim},
		{"attention.layer_norm_rms_epsilon", float32(1e-5)}, {"attention.sliding_window", 128},
		{"rope.freq_base", float32(150000)}, {"rope.scaling.type", "yarn"}, {"rope.scaling.factor", float32(32)},
		{"rope.scaling.original_context_length", 4096}, {"rope.scaling.yarn_beta_fast", float32(32)}, {"rope.scaling.yarn_beta_slow", float32(1)},
		{"expert_count", m.Experts}, {"expert_used_count", topK}, {"expert_feed_forward_length", m.Hidden}, {"vocab_size", m.Vocab},
	} {
		add("gpt-oss."+p.key, p.value)
	}
	add("tokenizer.ggml.model", "none")

	head := []byte("GGUF")
	head = binary.LittleEndian.AppendUint32(head, 3)
	head = binary.LittleEndian.AppendUint64(head, uint64(len(tensors)))
	head = binary.LittleEndian.AppendUint64(head, count)
	head = append(head, kv...)
	offset := int64(0)
	for _, t := range tensors {
		head = appendString(head, t.name)
		head = binary.LittleEndian.AppendUint32(head, uint32(len(t.shape)))
		for _, d := range t.shape {
			head = binary.LittleEndian.AppendUint64(head, uint64(d))
		}
		head = binary.LittleEndian.AppendUint32(head, t.kind)
		head = binary.LittleEndian.AppendUint64(head, uint64(offset))
		offset += padded(t.size())
	}
	return slices.Concat(head, make([]byte, padded(int64(len(head)))-int64(len(head))))
}

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}
