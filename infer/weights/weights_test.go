package weights

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"expertfs"
	"expertfs/checkpoint/safetensors"

	"github.com/stretchr/testify/require"
)

// tensorFile writes a safetensors file with the given tensors, filled with
// zeros, and returns its path.
func tensorFile(t *testing.T, path string, metadata map[string]string, tensors ...safetensors.Tensor) string {
	t.Helper()
	data, err := safetensors.AppendHeader(nil, tensors, metadata, 4096)
	require.NoError(t, err)
	for _, x := range tensors {
		n, err := safetensors.ByteLen(x.DType, x.Shape)
		require.NoError(t, err)
		data = append(data, make([]byte, n)...)
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

const smallModel = `{"num_hidden_layers": 2, "num_experts": 101, "experts_per_token": 2, "vocab_size": 7, "hidden_size": 32,
	"intermediate_size": 32, "swiglu_limit": 7.0, "head_dim": 8, "num_attention_heads": 2, "num_key_value_heads": 1,
	"sliding_window": 4, "initial_context_length": 64, "rope_theta": 10000.0, "rope_scaling_factor": 2.0,
	"rope_ntk_alpha": 1.0, "rope_ntk_beta": 8.0}`

// smallFolder makes a folder with a config and no weights.
func smallFolder(t *testing.T) *Folder {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "layers"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(smallModel), 0o600))
	f, err := Open(dir)
	require.NoError(t, err)
	return f
}

func TestHeadersAreParsedOnce(t *testing.T) {
	dir := t.TempDir()
	tensor := safetensors.Tensor{Name: "a", DType: "U8", Shape: []int64{5}}
	read := func(path string) []byte {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		return data
	}
	one := read(tensorFile(t, filepath.Join(dir, "1"), nil, tensor))
	other := read(tensorFile(t, filepath.Join(dir, "2"), map[string]string{"expert": "2"}, tensor))
	var c headerCache
	first, err := c.read(one)
	require.NoError(t, err)
	again, err := c.read(bytes.Clone(one))
	require.NoError(t, err)
	require.Same(t, first, again)
	second, err := c.read(other)
	require.NoError(t, err)
	require.NotSame(t, first, second)
	_, err = c.read(one[:len(one)-1])
	require.ErrorContains(t, err, "truncated", "a known header says nothing of a shorter file")
	_, err = c.read(one[:4])
	require.Error(t, err)
}

func TestTensorsMustBeWhatTheConfigCallsFor(t *testing.T) {
	f := smallFolder(t)
	expert := func(change func([]safetensors.Tensor) []safetensors.Tensor) error {
		tensors := []safetensors.Tensor{
			{Name: "mlp1_weight.blocks", DType: "U8", Shape: []int64{64, 1, 16}},
			{Name: "mlp2_weight.blocks", DType: "U8", Shape: []int64{32, 1, 16}},
			{Name: "mlp1_weight.scales", DType: "U8", Shape: []int64{64, 1}},
			{Name: "mlp2_weight.scales", DType: "U8", Shape: []int64{32, 1}},
			{Name: "mlp1_bias", DType: "BF16", Shape: []int64{64}},
			{Name: "mlp2_bias", DType: "BF16", Shape: []int64{32}},
		}
		tensorFile(t, f.path(f.names.ExpertPath(expertfs.NewKey(1, 5))), nil, change(tensors)...)
		k := expertfs.NewKey(1, 5)
		m, err := f.arena.Map(f.path(f.names.ExpertPath(k)))
		require.NoError(t, err)
		defer func() { require.NoError(t, m.Close()) }()
		_, err = f.Expert(k, m)
		return err
	}
	require.NoError(t, expert(func(x []safetensors.Tensor) []safetensors.Tensor { return x }))
	require.ErrorContains(t, expert(func(x []safetensors.Tensor) []safetensors.Tensor { return x[:5] }), "tensor mlp2_bias is missing")
	require.ErrorContains(t, expert(func(x []safetensors.Tensor) []safetensors.Tensor {
		x[2].Shape = []int64{64, 2}
		return x
	}), "tensor mlp1_weight.scales is U8 [64 2], the config calls for U8 [64 1]")
	require.ErrorContains(t, expert(func(x []safetensors.Tensor) []safetensors.Tensor {
		x[4].DType = "F16"
		return x
	}), "tensor mlp1_bias is F16 [64], the config calls for BF16 [64]")
}

func TestEmbedding(t *testing.T) {
	f := smallFolder(t)
	_, err := f.Embedding()
	require.ErrorIs(t, err, os.ErrNotExist)
	path := tensorFile(t, f.path(expertfs.EmbeddingPath), nil, safetensors.Tensor{Name: "embedding.weight", DType: "BF16", Shape: []int64{7, 32}})
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	copy(data[len(data)-2:], []byte{0x80, 0x3f}) // 1
	require.NoError(t, os.WriteFile(path, data, 0o600))
	e, err := f.Embedding()
	require.NoError(t, err)
	row := make([]float32, 32)
	require.NoError(t, e.Row(row, 6))
	require.Equal(t, float32(1), row[31])
	require.NoError(t, e.Row(row, 5))
	require.Zero(t, row[31])
	require.ErrorContains(t, e.Row(row, 7), "token id 7 is outside of the vocabulary (0 to 6)")
	require.ErrorContains(t, e.Row(row, -1), "token id -1")
	require.NoError(t, os.Truncate(path, int64(len(data)-3)))
	require.ErrorContains(t, e.Row(row, 6), "row 6: unexpected EOF")
	require.NoError(t, e.Close())
	_, err = f.Embedding()
	require.ErrorContains(t, err, "truncated")
	tensorFile(t, path, nil, safetensors.Tensor{Name: "embedding.weight", DType: "BF16", Shape: []int64{7, 64}})
	_, err = f.Embedding()
	require.ErrorContains(t, err, "tensor embedding.weight is BF16 [7 64], the config calls for BF16 [7 32]")
}

func TestOpenExplains(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(dir)
	require.ErrorContains(t, err, "is not a model folder")
	tensorFile(t, filepath.Join(dir, "[odd]*name", "original", "model.safetensors"), nil)
	_, err = Open(filepath.Join(dir, "[odd]*name"))
	require.ErrorContains(t, err, "is a checkpoint; mount it first: expertfs mount")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"num_hidden_layers": 0}`), 0o600))
	_, err = Open(dir)
	require.ErrorContains(t, err, filepath.Join(dir, "config.json")+": key num_experts")
}
