package infer

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"expertfs/checkpoint/config"
	"expertfs/checkpoint/layout"
	"expertfs/checkpoint/synth"

	"github.com/stretchr/testify/require"
)

// randomConfig draws a small model: odd sizes, head counts, windows, rope
// constants, and a context that the test's text passes.
func randomConfig(r *rand.Rand) *config.Config {
	pick := func(values ...int) int { return values[r.IntN(len(values))] }
	kv := pick(1, 2, 3)
	c := &config.Config{
		Layers: 1 + r.IntN(4), Experts: pick(4, 5, 8, 17), TopK: 1 + r.IntN(4),
		Hidden: pick(32, 64, 96, 160), Intermediate: pick(32, 64, 96), Vocab: 50 + r.IntN(200),
		HeadDim: pick(32, 48, 64), Heads: kv * pick(1, 2, 3, 4), KVHeads: kv, Window: 1 + r.IntN(70),
		RMSEps: 1e-5, SwigluLimit: []float64{0.8, 7}[r.IntN(2)], SwigluAlpha: 1.702,
		Rope: config.Rope{
			Theta: []float64{5000, 10000, 150000}[r.IntN(3)], Factor: []float64{1, 4, 32}[r.IntN(3)],
			Alpha: 1, Beta: []float64{4, 8}[r.IntN(2)], InitialContext: 64,
		},
	}
	if c.Rope.Factor == 1 {
		c.Rope.InitialContext = 256
	}
	for range c.Layers {
		c.Sliding = append(c.Sliding, r.IntN(2) == 0)
	}
	return c
}

// randomModel makes a checkpoint of c in OpenAI's layout, and the tree of the
// same model in Hugging Face's, whose config alone can say which layers slide.
func randomModel(t testing.TB, c *config.Config, seed uint64) (ck, tree string) {
	t.Helper()
	dir := t.TempDir()
	ck = filepath.Join(dir, "openai")
	hf := filepath.Join(dir, "hf")
	alternating := *c
	alternating.Sliding = nil
	for l := range c.Layers {
		alternating.Sliding = append(alternating.Sliding, l%2 == 0)
	}
	require.NoError(t, synth.Write(context.Background(), ck, synth.Options{Config: &alternating, Layout: layout.OpenAI, Seed: seed}))
	require.NoError(t, synth.Write(context.Background(), hf, synth.Options{Config: c, Layout: layout.HuggingFace, Seed: seed}))
	return ck, makeTree(t, hf)
}

func randomIDs(r *rand.Rand, n, vocab int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = r.IntN(vocab)
	}
	return ids
}

func TestAgreesWithOracle(t *testing.T) {
	models := 8
	if testing.Short() {
		models = 2
	}
	for seed := range uint64(models) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			c := randomConfig(r)
			ck, tree := randomModel(t, c, seed)
			ids := randomIDs(r, 130, c.Vocab)
			want, experts := newOracle(t, ck, c).run(ids)

			e, err := Open(tree, Options{Act: "f32", Batch: 1 + r.IntN(60)})
			require.NoError(t, err)
			defer e.Close()
			var routed int
			e.SetHooks(Hooks{OnRoute: func(_ *Session, l, p int, chosen []int) {
				require.Equal(t, experts[l][p], chosen, "layer %d, position %d of %+v", l, p, c)
				routed++
			}})
			worst := 0.0
			require.NoError(t, e.NewSession().Append(context.Background(), ids, func(p int, logits []float32) {
				for i, v := range logits {
					worst = max(worst, math.Abs(float64(v)-want[p][i]))
				}
			}))
			require.Equal(t, c.Layers*len(ids), routed)
			require.Less(t, worst, tolerance, "%+v", c)
			t.Logf("worst difference of a logit: %.2g", worst)
		})
	}
}
