package weights

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"expertfs"
	"expertfs/checkpoint/safetensors"
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
		x, err := f.Expert(1, 5)
		if err == nil {
			require.NoError(t, x.Close())
		}
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

	for _, x := range [][2]int{{-1, 0}, {2, 0}, {0, 101}, {0, -1}} {
		_, err := f.Expert(x[0], x[1])
		require.ErrorContains(t, err, "there is no expert")
	}
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

func TestHints(t *testing.T) {
	f := smallFolder(t)
	none, err := f.Hints()
	require.NoError(t, err)
	require.Nil(t, none, "a plain folder takes no hints")
	none.Step(0, []int{1})
	none.Touch(0, []int{1})
	none.Prefetch(0, []int{1})
	none.SendAhead()
	none.Flush()
	none.ForgetAhead()
	require.Nil(t, none.FlushLater())
	require.Zero(t, none.Lost())
	require.NoError(t, none.Close())

	path := f.path(expertfs.ControlPath(expertfs.HintsFile))
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	h, err := f.Hints()
	require.NoError(t, err)
	h.Step(1, []int{3, 100})
	h.Touch(1, []int{3})
	h.Touch(1, nil)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Empty(t, text, "lines are written together")
	h.Flush()
	h.Prefetch(0, []int{9})
	h.ForgetAhead()
	h.Step(1, []int{4})
	<-h.FlushLater()
	h.Prefetch(0, []int{7, 8})
	h.SendAhead()
	require.NoError(t, h.Close())
	text, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "step 01/003 01/100\ntouch 01/003\nstep 01/004\nprefetch 00/007 00/008\n", string(text))
	h.Step(0, []int{1})
	h.Flush()
	require.Equal(t, 1, h.Lost(), "the file is closed")
}

func TestBudget(t *testing.T) {
	f := smallFolder(t)
	_, mounted, err := f.Budget()
	require.NoError(t, err)
	require.False(t, mounted)
	path := f.path(expertfs.ControlPath(expertfs.RAMFile))
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o755))
	for text, want := range map[string]int64{"64MiB\n": 64 << 20, "1234567": 1234567, "1.5GiB\n": 3 << 29} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		budget, mounted, err := f.Budget()
		require.NoError(t, err)
		require.True(t, mounted)
		require.Equal(t, want, budget)
	}
	require.NoError(t, os.WriteFile(path, []byte("plenty"), 0o600))
	_, _, err = f.Budget()
	require.ErrorContains(t, err, path)
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
