package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"expertfs"
	"expertfs/checkpoint/checkpointtest/reference"
	"expertfs/checkpoint/layout"
	"expertfs/checkpoint/source"
	"expertfs/checkpoint/view"

	"github.com/stretchr/testify/require"
)

// This file reads safetensors without the package under test: encoding/json and
// the format's description are all it knows.

// plainTensor is a tensor read whole.
type plainTensor struct {
	dtype string
	shape []int64
	begin int64 // offset in the data
	data  []byte
}

// readPlain reads all tensors of a file, and its metadata.
func readPlain(t *testing.T, file []byte) (map[string]plainTensor, map[string]string, int64) {
	t.Helper()
	n := int64(binary.LittleEndian.Uint64(file))
	raw := map[string]json.RawMessage{}
	require.NoError(t, json.Unmarshal(file[8:8+n], &raw))
	var metadata map[string]string
	if text, ok := raw["__metadata__"]; ok {
		require.NoError(t, json.Unmarshal(text, &metadata))
		delete(raw, "__metadata__")
	}
	out := map[string]plainTensor{}
	for name, text := range raw {
		var e struct {
			DType   string   `json:"dtype"`
			Shape   []int64  `json:"shape"`
			Offsets [2]int64 `json:"data_offsets"`
		}
		require.NoError(t, json.Unmarshal(text, &e))
		out[name] = plainTensor{e.DType, e.Shape, e.Offsets[0], file[8+n+e.Offsets[0] : 8+n+e.Offsets[1]]}
	}
	return out, metadata, 8 + n
}

// viewBytes reads a view whole.
func viewBytes(t *testing.T, c *Checkpoint, v *View) []byte {
	t.Helper()
	out := slices.Clone(v.Header)
	for _, p := range v.Parts {
		require.Nil(t, p.Transform)
		require.EqualValues(t, len(out), p.To[0].Off)
		piece := make([]byte, p.To[0].Len)
		_, err := io.ReadFull(io.NewSectionReader(source.Reader(c.Files()[p.From[0].File]), p.From[0].Off, p.From[0].Len), piece)
		require.NoError(t, err)
		out = append(out, piece...)
	}
	again := make([]byte, v.Size())
	require.NoError(t, c.Read(v, again, 0))
	require.True(t, bytes.Equal(out, again))
	require.EqualValues(t, v.Size(), len(out))
	return out
}

// views returns all views of a checkpoint by a name of their own.
func views(t *testing.T, c *Checkpoint) map[string][]byte {
	t.Helper()
	out := map[string][]byte{
		"embedding":   viewBytes(t, c, c.Embedding()),
		"unembedding": viewBytes(t, c, c.Unembedding()),
	}
	for l := range c.Config().Layers {
		layer := strconv.Itoa(l)
		out["dense/"+layer] = viewBytes(t, c, c.Dense(l))
		for e := range c.Config().Experts {
			out["expert/"+layer+"/"+strconv.Itoa(e)] = viewBytes(t, c, c.Expert(expertfs.NewKey(l, e)))
		}
	}
	return out
}

// checkViews compares every view of c with the checkpoint of OpenAI's layout in a file.
func checkViews(t *testing.T, c *Checkpoint, file []byte) {
	t.Helper()
	source, _, _ := readPlain(t, file)
	all := views(t, c)
	for l := range c.Config().Layers {
		prefix := "block." + strconv.Itoa(l) + "."
		for e := range c.Config().Experts {
			got, metadata, data := readPlain(t, all["expert/"+strconv.Itoa(l)+"/"+strconv.Itoa(e)])
			require.Zero(t, data%4096)
			require.Equal(t, map[string]string{"format": "expertfs/1", "layer": strconv.Itoa(l), "expert": strconv.Itoa(e)}, metadata)
			checkOrder(t, got, "mlp1_weight.blocks", "mlp2_weight.blocks", "mlp1_weight.scales", "mlp2_weight.scales", "mlp1_bias", "mlp2_bias")
			for name, tensor := range got {
				whole := source[prefix+"mlp."+name]
				size := len(whole.data) / c.Config().Experts
				require.Equal(t, whole.dtype, tensor.dtype)
				require.Equal(t, whole.shape[1:], tensor.shape)
				require.Equal(t, whole.data[e*size:(e+1)*size], tensor.data, "layer %d expert %d %s", l, e, name)
			}
		}
		got, metadata, data := readPlain(t, all["dense/"+strconv.Itoa(l)])
		require.Zero(t, data%4096)
		require.Equal(t, map[string]string{"format": "expertfs/1", "layer": strconv.Itoa(l)}, metadata)
		checkOrder(t, got, "attn.norm.scale", "attn.qkv.weight", "attn.qkv.bias", "attn.sinks", "attn.out.weight", "attn.out.bias",
			"mlp.norm.scale", "mlp.gate.weight", "mlp.gate.bias")
		checkWhole(t, source, prefix, got)
	}
	embedding, _, _ := readPlain(t, all["embedding"])
	checkOrder(t, embedding, "embedding.weight")
	checkWhole(t, source, "", embedding)
	unembedding, _, _ := readPlain(t, all["unembedding"])
	checkOrder(t, unembedding, "norm.scale", "unembedding.weight")
	checkWhole(t, source, "", unembedding)
}

// checkOrder fails unless the tensors are these, in this order and without holes.
func checkOrder(t *testing.T, got map[string]plainTensor, names ...string) {
	t.Helper()
	require.Len(t, got, len(names))
	var at int64
	for _, name := range names {
		require.Equal(t, at, got[name].begin, name)
		at += int64(len(got[name].data))
	}
}

// checkWhole compares whole tensors.
func checkWhole(t *testing.T, source map[string]plainTensor, prefix string, got map[string]plainTensor) {
	t.Helper()
	for name, tensor := range got {
		whole := source[prefix+name]
		require.Equal(t, whole.dtype, tensor.dtype)
		require.Equal(t, whole.shape, tensor.shape)
		require.Equal(t, whole.data, tensor.data, prefix+name)
	}
}

// asHuggingFace cuts a checkpoint of OpenAI's layout in memory into Hugging Face's tensors,
// in shards.
func asHuggingFace(t *testing.T, openai files, shards int) files {
	t.Helper()
	out := sample(t, layout.HuggingFace, shards)
	source, _, _ := readPlain(t, openai[weights])
	for name, file := range out {
		if !strings.HasSuffix(name, ".safetensors") {
			continue
		}
		tensors, _, _ := readPlain(t, file)
		for _, want := range layout.HuggingFace.Tensors(sampleConfig(t)) {
			if tensor, ok := tensors[want.Name]; ok { // data is a part of file: this writes to it
				copy(tensor.data, source[want.Part].data[want.Begin:])
			}
		}
	}
	return out
}

func TestViewsAgainstIndependentReader(t *testing.T) {
	openai := sample(t, layout.OpenAI, 1)
	for name, f := range map[string]files{
		"openai":              openai,
		"huggingface":         asHuggingFace(t, openai, 1),
		"huggingface, shards": asHuggingFace(t, openai, 5),
	} {
		t.Run(name, func(t *testing.T) {
			c, err := f.open()
			require.NoError(t, err)
			checkViews(t, c, openai[weights])
		})
	}
}

func TestShardsWithoutIndex(t *testing.T) {
	f := sample(t, layout.OpenAI, 4)
	delete(f, layout.IndexName)
	f["._parta.safetensors"] = []byte("what some archives leave")
	c, err := f.open()
	require.NoError(t, err)
	require.Len(t, c.Files(), 4)
	require.Len(t, views(t, c), 2+2+2*3)
}

// openPath opens a checkpoint that must be sound.
func openPath(t *testing.T, path string) *Checkpoint {
	t.Helper()
	c, err := Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestReferenceCheckpointInBothLayouts(t *testing.T) {
	golden := reference.Path(t, "a64")
	file, err := os.ReadFile(filepath.Join(golden, "original", weights))
	require.NoError(t, err)
	openai, hf := openPath(t, filepath.Join(golden, "original")), openPath(t, filepath.Join(golden, "hf"))
	require.Equal(t, layout.OpenAI.Name(), openai.Format())
	require.Equal(t, layout.HuggingFace.Name(), hf.Format())
	checkViews(t, openai, file)
	checkViews(t, hf, file)
	require.Equal(t, views(t, openai), views(t, hf))
}

// TestReferenceCheckpointInGGUF has the same experts in every form, and the same of
// the rest where the form has not rounded it.
func TestReferenceCheckpointInGGUF(t *testing.T) {
	golden := reference.Path(t, "a64")
	openai := openPath(t, filepath.Join(golden, "original"))
	for form, exact := range map[string]bool{"bf16": true, "ollama4": true, "q8_0": false} {
		g := openPath(t, filepath.Join(golden, "gguf", form+".gguf"))
		same := func(want, got *View, what string) {
			a, err := openai.ReadAll(want)
			require.NoError(t, err)
			b, err := g.ReadAll(got)
			require.NoError(t, err)
			require.True(t, bytes.Equal(a, b), "%s of %s", what, form)
		}
		for l := range openai.Config().Layers {
			for e := range openai.Config().Experts {
				key := expertfs.NewKey(l, e)
				same(openai.Expert(key), g.Expert(key), key.String())
			}
			if exact {
				same(openai.Dense(l), g.Dense(l), "dense weights")
			}
		}
		if exact {
			same(openai.Embedding(), g.Embedding(), "embedding")
			same(openai.Unembedding(), g.Unembedding(), "unembedding")
		}
	}
}

func TestEmbeddedTinyModel(t *testing.T) {
	c := openPath(t, "embed:tiny")
	require.Equal(t, "embed:tiny", c.Name())
	require.Equal(t, 4, c.Config().Layers)
	require.Equal(t, 32, c.Config().Experts)
	require.False(t, c.ModTime().IsZero())
	require.EqualValues(t, view.Align+29376+768, c.ExpertSize())
	var small []string
	for _, f := range c.Small() {
		small = append(small, f.Name())
	}
	require.Equal(t, []string{"config.json", "generation_config.json", "tokenizer.json"}, small)
	require.Empty(t, source.Path(c.Files()[0]))
	require.NoError(t, c.Files()[0].Check(t.Context()))
	require.NoError(t, c.CheckScales(t.Context(), nil))
	file, err := os.ReadFile(filepath.Join("tiny", weights))
	require.NoError(t, err)
	checkViews(t, c, file)
}
