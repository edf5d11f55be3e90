package synth

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"expertfs/checkpoint/config"
	"expertfs/checkpoint/layout"

	"github.com/stretchr/testify/require"
)

// TestEveryTensorHasContents asks for all names of both layouts.
func TestEveryTensorHasContents(t *testing.T) {
	c := small(t).Config
	for _, l := range []*layout.Layout{layout.OpenAI, layout.HuggingFace} {
		for _, tensor := range l.Tensors(c) {
			require.NotPanics(t, func() { contents(c, 1, tensor.Part) })
		}
	}
	require.Panics(t, func() { contents(c, 1, "block.0.attn.other") })
}

// TestRouterPrefersSomeExperts routes random normalised vectors: shares must be
// uneven, and no expert left out.
func TestRouterPrefersSomeExperts(t *testing.T) {
	c, err := config.Preset("20b")
	require.NoError(t, err)
	c.Hidden = 256
	read := func(tensor string, n int) []float64 {
		data := make([]byte, 2*n)
		contents(c, 1, tensor).fill(data, 0)
		return bfloat16s(data)
	}
	weight, bias := read("block.3.mlp.gate.weight", c.Experts*c.Hidden), read("block.3.mlp.gate.bias", c.Experts)
	rng := rand.New(rand.NewPCG(1, 2))
	const tokens = 4000
	counts := make([]float64, c.Experts)
	experts, logits, x := make([]int, c.Experts), make([]float64, c.Experts), make([]float64, c.Hidden)
	for range tokens {
		for i := range x {
			x[i] = rng.NormFloat64()
		}
		for e := range logits {
			experts[e], logits[e] = e, bias[e]
			for i, v := range x {
				logits[e] += weight[e*c.Hidden+i] * v
			}
		}
		slices.SortFunc(experts, func(a, b int) int { return cmp.Compare(logits[b], logits[a]) })
		for _, e := range experts[:c.TopK] {
			counts[e]++
		}
	}
	var entropy float64
	for _, n := range counts {
		require.Positive(t, n)
		p := n / float64(tokens*c.TopK)
		entropy -= p * math.Log2(p)
	}
	require.Greater(t, entropy, 3.9)
	require.Less(t, entropy, 4.7)
}
