package gguf

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"expertfs/checkpoint"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// small has few of everything.
var small = Model{Layers: 2, Vocab: 128, Hidden: 64, Experts: 4, Heads: 4, KVHeads: 2}

// TestWrite: the reader of checkpoints finds in the file what was asked for.
func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "models", "model.gguf")
	require.NoError(t, Write(path, small))
	ck, err := checkpoint.Open(path)
	require.NoError(t, err)
	defer ck.Close()
	c := ck.Config()
	assert.Equal(t, []int{2, 128, 64, 64, 4, 4, 4, 2, 64, 128},
		[]int{c.Layers, c.Vocab, c.Hidden, c.Intermediate, c.Experts, c.TopK, c.Heads, c.KVHeads, c.HeadDim, c.Window})
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Greater(t, info.Size(), small.Size())
	assert.Less(t, info.Size(), small.Size()+16384, "what is no tensor is small")
}

func TestEqualModelsAreEqualFiles(t *testing.T) {
	dir := t.TempDir()
	var files [2][]byte
	for i, name := range []string{"a", "b"} {
		require.NoError(t, Write(filepath.Join(dir, name), small))
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		files[i] = text
	}
	assert.Equal(t, files[0], files[1])
}

// TestPart: all layers are gpt-oss-20b, a quarter is a quarter of everything.
func TestPart(t *testing.T) {
	assert.Equal(t, 201088, Part(24).Vocab)
	assert.InEpsilon(t, float64(Part(24).Size())/4, float64(Part(6).Size()), 0.001)
}

func TestHalf(t *testing.T) {
	for x, bits := range map[float64]uint16{1: 0x3c00, 0.5: 0x3800, 1.5: 0x3e00, 0.0001: 0x068d} {
		assert.Equal(t, bits, half(x), "%g", x)
	}
}

// TestRouterPrefersSomeExperts: biases of the router differ by nearly as much as its
// products do, and queries and keys share a bias, as in synthetic checkpoints.
func TestRouterPrefersSomeExperts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	moments := func(name string) (mean, deviation float64) {
		tensors := Part(1).tensors()
		at := slices.IndexFunc(tensors, func(t *tensor) bool { return t.name == "blk.0."+name })
		require.GreaterOrEqual(t, at, 0, name)
		data := make([]byte, 4*4096)
		tensors[at].fill(data, rng, nil)
		for i := 0; i < len(data); i += 4 {
			v := float64(math.Float32frombits(binary.LittleEndian.Uint32(data[i:])))
			mean += v / 4096
			deviation += v * v / 4096
		}
		return mean, math.Sqrt(deviation - mean*mean)
	}
	mean, deviation := moments("ffn_gate_inp.bias")
	assert.InDelta(t, 0, mean, 0.1)
	_, products := moments("ffn_gate_inp.weight")
	products *= math.Sqrt(2880)
	assert.InDelta(t, 0.7, deviation/products, 0.05)
	mean, _ = moments("attn_q.bias")
	assert.InDelta(t, 1.5, mean, 0.05)
	mean, _ = moments("attn_v.bias")
	assert.InDelta(t, 0, mean, 0.05)
}
