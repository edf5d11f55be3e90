package gguf_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/checkpoint/config"
	"expertfs/checkpoint/gguf/gguftest"
	"expertfs/checkpoint/safetensors"
	"expertfs/checkpoint/source"
	"expertfs/checkpoint/synth"

	"github.com/stretchr/testify/require"
)

// open opens a checkpoint that must be sound.
func open(t testing.TB, path string) *checkpoint.Checkpoint {
	t.Helper()
	ck, err := checkpoint.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ck.Close()) })
	return ck
}

// small is a checkpoint in safetensors whose dimensions all differ.
func small(t testing.TB) *checkpoint.Checkpoint {
	t.Helper()
	c, err := config.Preset("tiny")
	require.NoError(t, err)
	c.SetLayers(3)
	c.Experts, c.TopK, c.Hidden, c.Intermediate, c.Vocab = 5, 2, 96, 64, 70
	c.HeadDim, c.Heads, c.KVHeads = 32, 4, 2
	dir := filepath.Join(t.TempDir(), "model")
	require.NoError(t, synth.Write(t.Context(), dir, synth.Options{Config: c, Seed: 3}))
	return open(t, dir)
}

// read returns the bytes of a view.
func read(t testing.TB, ck *checkpoint.Checkpoint, v *checkpoint.View) []byte {
	t.Helper()
	data, err := ck.ReadAll(v)
	require.NoError(t, err)
	return data
}

// tensors returns the tensors of a view by their names.
func tensors(t testing.TB, data []byte) map[string]safetensors.Tensor {
	t.Helper()
	h, err := safetensors.ReadHeader(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	out := map[string]safetensors.Tensor{}
	for _, x := range h.Tensors {
		out[x.Name] = x
	}
	return out
}

func TestExpertsAreThoseOfTheCheckpoint(t *testing.T) {
	models := []*checkpoint.Checkpoint{small(t)}
	if !testing.Short() {
		models = append(models, open(t, "embed:tiny"))
	}
	for _, from := range models {
		for name, form := range gguftest.Forms {
			t.Run(from.Name()+" "+name, func(t *testing.T) {
				kvs, tensors := gguftest.Model(t, from, form)
				got := open(t, gguftest.Save(t, t.TempDir(), kvs, tensors, 1)[0])
				require.Equal(t, "gguf", got.Format())
				require.Equal(t, "model", got.Name())
				want := *from.Config()
				want.EOS = got.Config().EOS
				require.Equal(t, &want, got.Config())
				require.Equal(t, from.ExpertSize(), got.ExpertSize())
				for l := range want.Layers {
					for e := range want.Experts {
						require.True(t, bytes.Equal(read(t, from, from.Expert(expertfs.NewKey(l, e))), read(t, got, got.Expert(expertfs.NewKey(l, e)))), "layer %d expert %d", l, e)
					}
				}
				if form.Dense == gguftest.BF16 {
					for l := range want.Layers {
						require.True(t, bytes.Equal(read(t, from, from.Dense(l)), read(t, got, got.Dense(l))), "layer %d", l)
						require.True(t, bytes.Equal(read(t, from, from.DenseRounded(l)), read(t, got, got.DenseRounded(l))), "layer %d", l)
					}
					require.True(t, bytes.Equal(read(t, from, from.UnembeddingRounded()), read(t, got, got.UnembeddingRounded())))
					require.True(t, bytes.Equal(read(t, from, from.Embedding()), read(t, got, got.Embedding())))
					require.True(t, bytes.Equal(read(t, from, from.Unembedding()), read(t, got, got.Unembedding())))
				}
				require.NoError(t, got.CheckScales(t.Context(), nil))
			})
		}
	}
}

// TestDenseWeightsAreServedAsTheyAre compares every value of the large matrices
// with what is in the file.
func TestDenseWeightsAreServedAsTheyAre(t *testing.T) {
	from := small(t)
	for name, want := range map[string]struct{ dtype, scales string }{
		"f32": {"F32", ""}, "f16": {"F16", ""}, "q8_0": {"I8", "F16"},
	} {
		t.Run(name, func(t *testing.T) {
			kvs, stored := gguftest.Model(t, from, gguftest.Forms[name])
			got := open(t, gguftest.Save(t, t.TempDir(), kvs, stored, 1)[0])
			data := read(t, got, got.Dense(1))
			all := tensors(t, data)
			for _, vector := range []string{"attn.norm.scale", "attn.qkv.bias", "attn.sinks", "attn.out.bias", "mlp.gate.weight"} {
				require.Equal(t, "BF16", all[vector].DType, vector)
			}
			qkv := all["attn.qkv.weight"]
			require.Equal(t, want.dtype, qkv.DType)
			require.Equal(t, []int64{32 * (4 + 2*2), 96}, qkv.Shape)
			var inFile []byte
			for _, part := range []string{"q", "k", "v"} {
				for _, x := range stored {
					if x.Name == "blk.1.attn_"+part+".weight" {
						inFile = append(inFile, x.Data...)
					}
				}
			}
			values := data[qkv.Offset : qkv.Offset+qkv.Length]
			if want.scales == "" {
				require.True(t, bytes.Equal(inFile, values))
				return
			}
			s := all["attn.qkv.weight.scales"]
			require.Equal(t, want.scales, s.DType)
			require.Equal(t, []int64{32 * (4 + 2*2), 96 / 32}, s.Shape)
			scales := data[s.Offset : s.Offset+s.Length]
			var again []byte
			for i := range len(scales) / 2 {
				again = append(append(again, scales[2*i:2*i+2]...), values[32*i:32*i+32]...)
			}
			require.True(t, bytes.Equal(inFile, again))
		})
	}
}

func TestBiasesThatBF16CannotHoldStayF32(t *testing.T) {
	from := small(t)
	kvs, stored := gguftest.Model(t, from, gguftest.Forms["bf16"])
	for i := range stored {
		if stored[i].Name == "blk.2.ffn_up_exps.bias" {
			stored[i].Data = bytes.Clone(stored[i].Data)
			stored[i].Data[4*64+4]++ // the second value of the second expert
		}
	}
	got := open(t, gguftest.Save(t, t.TempDir(), kvs, stored, 1)[0])
	for l := range 3 {
		for e := range 5 {
			data := read(t, got, got.Expert(expertfs.NewKey(l, e)))
			all := tensors(t, data)
			require.Equal(t, "F32", all["mlp1_bias"].DType)
			require.Equal(t, "BF16", all["mlp2_bias"].DType)
			was := read(t, from, from.Expert(expertfs.NewKey(l, e)))
			old := tensors(t, was)["mlp1_bias"]
			values := gguftest.Quantise(gguftest.F32, gguftest.Values(was[old.Offset:old.Offset+old.Length]))
			if l == 2 && e == 1 {
				values[4*3]++
			}
			b := all["mlp1_bias"]
			require.Equal(t, values, data[b.Offset:b.Offset+b.Length], "layer %d expert %d", l, e)
		}
	}
}

func TestShards(t *testing.T) {
	from := small(t)
	kvs, stored := gguftest.Model(t, from, gguftest.Forms["bf16"])
	dir := t.TempDir()
	paths := gguftest.Save(t, dir, kvs, stored, 3)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "._model-00001-of-00003.gguf"), []byte("x"), 0o600))
	for _, path := range append(paths, dir) {
		got := open(t, path)
		require.Len(t, got.Files(), 3)
		require.True(t, bytes.Equal(read(t, from, from.Expert(expertfs.NewKey(2, 4))), read(t, got, got.Expert(expertfs.NewKey(2, 4)))))
		require.Equal(t, open(t, paths[0]).ID(), got.ID())
	}
	require.Equal(t, "model", open(t, paths[1]).Name())
	require.NoError(t, os.Rename(paths[1], filepath.Join(dir, "other.gguf")))
	_, err := checkpoint.Open(paths[0])
	require.ErrorContains(t, err, "model-00002-of-00003.gguf: is not there: download it")
	_, err = checkpoint.Open(dir)
	require.ErrorContains(t, err, "holds several models: give one of the files")
	_, err = checkpoint.Open(filepath.Join(dir, "other.gguf"))
	require.ErrorContains(t, err, "other.gguf: is one of 3 files")
}

// TestOrderAndAlignment has tensors in any order, on any power of two, and in a
// file of GGUF's second version, which differs from the third in its number.
func TestOrderAndAlignment(t *testing.T) {
	from := small(t)
	kvs, stored := gguftest.Model(t, from, gguftest.Forms["bf16"])
	rng := rand.New(rand.NewPCG(1, 2))
	for _, align := range []uint32{1, 8, 32, 256, 4096} {
		rng.Shuffle(len(stored), func(i, j int) { stored[i], stored[j] = stored[j], stored[i] })
		rng.Shuffle(len(kvs), func(i, j int) { kvs[i], kvs[j] = kvs[j], kvs[i] })
		data := gguftest.Encode(append(kvs[:len(kvs):len(kvs)], gguftest.KV{Key: "general.alignment", Value: align}), stored)
		data[4] = byte(2 + align%2)
		path := filepath.Join(t.TempDir(), "m.gguf")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		got := open(t, path)
		for l := range 3 {
			require.True(t, bytes.Equal(read(t, from, from.Dense(l)), read(t, got, got.Dense(l))), "alignment %d", align)
			for e := range 5 {
				k := expertfs.NewKey(l, e)
				require.True(t, bytes.Equal(read(t, from, from.Expert(k)), read(t, got, got.Expert(k))), "alignment %d, %v", align, k)
			}
		}
	}
}

// TestSmallFiles has the tokenizer come through unchanged, token by token.
func TestSmallFiles(t *testing.T) {
	from := open(t, "embed:tiny")
	kvs, stored := gguftest.Model(t, from, gguftest.Forms["q8_0"])
	kvs = append(kvs, gguftest.KV{Key: "tokenizer.chat_template", Value: "{{ messages }}"})
	got := open(t, gguftest.Save(t, t.TempDir(), kvs, stored, 1)[0])
	texts := map[string]string{}
	var names []string
	for _, s := range got.Small() {
		text, err := io.ReadAll(source.Section(s))
		require.NoError(t, err)
		texts[s.Name()] = string(text)
		names = append(names, s.Name())
		require.Equal(t, got.ModTime(), s.Identity().ModTime)
	}
	require.Equal(t, []string{"chat_template.jinja", "config.json", "generation_config.json", "tokenizer.json"}, names)
	require.Equal(t, "{{ messages }}", texts["chat_template.jinja"])
	c, err := config.Parse([]byte(texts["config.json"]))
	require.NoError(t, err)
	require.Equal(t, got.Config(), c)
	require.Equal(t, gguftest.Tokenizer(t, from), gguftest.Tokenizer(t, got))
}

// TestFilesOfGGMLsOwnWriter has every byte of the views of files that gguf-py
// wrote.
func TestFilesOfGGMLsOwnWriter(t *testing.T) {
	c, err := config.Preset("tiny")
	require.NoError(t, err)
	c.SetLayers(2)
	c.Experts, c.TopK, c.Hidden, c.Intermediate, c.Vocab = 3, 2, 64, 32, 32
	c.HeadDim, c.Heads, c.KVHeads = 16, 4, 2
	dir := filepath.Join(t.TempDir(), "model")
	require.NoError(t, synth.Write(t.Context(), dir, synth.Options{Config: c, Seed: 11}))
	from := open(t, dir)
	for _, name := range []string{"ggml-bf16", "ggml-q8_0", "ollama4-bf16"} {
		t.Run(name, func(t *testing.T) {
			got := open(t, filepath.Join("testdata", name+".gguf"))
			require.Equal(t, from.Config(), got.Config())
			for l := range 2 {
				for e := range 3 {
					require.Equal(t, read(t, from, from.Expert(expertfs.NewKey(l, e))), read(t, got, got.Expert(expertfs.NewKey(l, e))))
				}
				if name != "ggml-q8_0" {
					require.Equal(t, read(t, from, from.Dense(l)), read(t, got, got.Dense(l)))
				}
			}
			if name != "ggml-q8_0" {
				require.Equal(t, read(t, from, from.Embedding()), read(t, got, got.Embedding()))
				require.Equal(t, read(t, from, from.Unembedding()), read(t, got, got.Unembedding()))
			}
		})
	}
}

// TestOneMatrixForBoth: where a file has no unembedding of its own the embedding is
// both, as Ollama takes it.
func TestOneMatrixForBoth(t *testing.T) {
	for name, form := range gguftest.Forms {
		t.Run(name, func(t *testing.T) {
			kvs, stored := gguftest.Model(t, small(t), form)
			tied := slices.DeleteFunc(slices.Clone(stored), func(x gguftest.Tensor) bool { return x.Name == "output.weight" })
			require.Len(t, tied, len(stored)-1)
			got := open(t, gguftest.Save(t, t.TempDir(), kvs, tied, 2)[0])
			unembedding, embedding := read(t, got, got.Unembedding()), read(t, got, got.Embedding())
			suffixes := []string{""}
			if form.Dense == gguftest.Q8_0 {
				suffixes = append(suffixes, ".scales")
			}
			for _, suffix := range suffixes {
				u, e := tensors(t, unembedding)["unembedding.weight"+suffix], tensors(t, embedding)["embedding.weight"+suffix]
				require.Positive(t, u.Length)
				require.Equal(t, e.DType, u.DType)
				require.Equal(t, e.Shape, u.Shape)
				require.Equal(t, embedding[e.Offset:e.Offset+e.Length], unembedding[u.Offset:u.Offset+u.Length])
			}
			require.NoError(t, got.CheckScales(t.Context(), nil))
		})
	}
}
