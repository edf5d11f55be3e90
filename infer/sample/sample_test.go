package sample

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func newSampler(t require.TestingT, p Params) *Sampler {
	s, err := New(p)
	require.NoError(t, err)
	return s
}

func TestGreedyTakesLowestOfEqualLogits(t *testing.T) {
	s := newSampler(t, Params{})
	got, err := s.Sample([]float32{-1, 3, 2, 3})
	require.NoError(t, err)
	require.Equal(t, 1, got)
	got, err = s.Sample([]float32{float32(math.Inf(-1)), -5})
	require.NoError(t, err)
	require.Equal(t, 1, got)
}

func TestUnusableLogits(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for name, logits := range map[string][]float32{
		"none": {}, "NaN": {1, nan}, "+Inf": {inf, 1}, "all -Inf": {-inf, -inf},
	} {
		for _, temp := range []float64{0, 1} {
			_, err := newSampler(t, Params{Temp: temp}).Sample(logits)
			require.ErrorIs(t, err, ErrLogits, name)
		}
	}
}

func TestParamsOutOfRange(t *testing.T) {
	for word, p := range map[string]Params{
		"temperature": {Temp: math.NaN()},
		"top-k":       {TopK: -1},
		"top-p":       {TopP: 1.5},
		"min-p":       {MinP: -0.1},
	} {
		_, err := New(p)
		require.ErrorContains(t, err, word)
	}
	_, err := New(Params{Temp: math.Inf(1)})
	require.Error(t, err)
}

// TestFrequencies draws many times and compares with the softmax.
func TestFrequencies(t *testing.T) {
	probs := []float64{0.5, 0.25, 0.15, 0.1}
	logits := make([]float32, len(probs))
	for i, p := range probs {
		logits[i] = float32(math.Log(p))
	}
	const draws = 20000
	cases := map[string]struct {
		params Params
		want   []float64
	}{
		"all":         {Params{Temp: 1, Seed: 1}, probs},
		"temperature": {Params{Temp: 0.5, Seed: 2}, []float64{.7246, .1812, .0652, .0290}},
		"top-k":       {Params{Temp: 1, TopK: 2, Seed: 3}, []float64{2. / 3, 1. / 3, 0, 0}},
		"top-p":       {Params{Temp: 1, TopP: 0.8, Seed: 4}, []float64{.5556, .2778, .1667, 0}},
		"min-p":       {Params{Temp: 1, MinP: 0.25, Seed: 5}, []float64{.5556, .2778, .1667, 0}},
		// top-p counts what top-k left: 0.5/0.75 is not yet 0.7.
		"top-k, top-p": {Params{Temp: 1, TopK: 2, TopP: 0.7, Seed: 6}, []float64{2. / 3, 1. / 3, 0, 0}},
	}
	for name, c := range cases {
		s := newSampler(t, c.params)
		count := make([]float64, len(probs))
		for range draws {
			id, err := s.Sample(logits)
			require.NoError(t, err)
			count[id]++
		}
		for i, want := range c.want {
			require.InDelta(t, want, count[i]/draws, 0.015, "%s: token %d", name, i)
			if want == 0 {
				require.Zero(t, count[i], "%s: token %d was cut off", name, i)
			}
		}
	}
}

func TestSeedDecides(t *testing.T) {
	logits := make([]float32, 1000)
	run := func(seed uint64) []int {
		s := newSampler(t, Params{Temp: 1, TopP: 0.9, Seed: seed})
		ids := make([]int, 50)
		for i := range ids {
			ids[i], _ = s.Sample(logits)
		}
		return ids
	}
	require.Equal(t, run(7), run(7))
	require.NotEqual(t, run(7), run(8))
}

// TestTruncationAgainstSort compares the heap with a full sort.
func TestTruncationAgainstSort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Few distinct values, so that ties are common.
		logits := rapid.SliceOfN(rapid.Map(rapid.IntRange(-4, 4), func(i int) float32 { return float32(i) / 2 }), 1, 60).Draw(t, "logits")
		p := Params{
			Temp: rapid.SampledFrom([]float64{0.3, 1, 2}).Draw(t, "temp"),
			TopK: rapid.IntRange(0, 70).Draw(t, "top-k"),
			TopP: rapid.SampledFrom([]float64{0, 0.1, 0.5, 0.9, 0.999, 1}).Draw(t, "top-p"),
			MinP: rapid.SampledFrom([]float64{0, 0.05, 0.4, 1}).Draw(t, "min-p"),
		}
		s := newSampler(t, p)
		before := slices.Clone(logits)
		id, err := s.Sample(logits)
		require.NoError(t, err)
		require.Equal(t, before, logits)

		want := expectKept(logits, p)
		got := make([]int, len(s.kept))
		for i, c := range s.kept {
			got[i] = c.id
		}
		slices.Sort(got)
		require.Equal(t, want, got)
		require.Contains(t, want, id)
	})
}

// expectKept returns, ascending, the ids that the truncations leave.
func expectKept(logits []float32, p Params) []int {
	most := slices.Max(logits)
	var all []candidate
	for id, l := range logits {
		if w := math.Exp(float64(l-most) / p.Temp); w >= p.MinP {
			all = append(all, candidate{id, w})
		}
	}
	mass := total(all) // in the order the sampler sums in, for equal rounding
	slices.SortStableFunc(all, func(a, b candidate) int {
		switch {
		case a.weight > b.weight:
			return -1
		case a.weight < b.weight:
			return 1
		}
		return 0
	})
	if p.TopK > 0 && p.TopK < len(all) {
		all = all[:p.TopK]
		mass = total(all)
	}
	if p.TopP > 0 && p.TopP < 1 {
		var sum float64
		for i, c := range all {
			if sum += c.weight; sum >= p.TopP*mass {
				all = all[:i+1]
				break
			}
		}
	}
	ids := make([]int, len(all))
	for i, c := range all {
		ids[i] = c.id
	}
	slices.Sort(ids)
	return ids
}

func BenchmarkSample(b *testing.B) {
	logits := make([]float32, 201088)
	for i := range logits {
		logits[i] = float32(math.Sin(float64(i)) * 8)
	}
	for name, p := range map[string]Params{"plain": {Temp: 1}, "top-p": {Temp: 1, TopP: 0.9}, "top-k": {Temp: 1, TopK: 40}} {
		b.Run(name, func(b *testing.B) {
			s := newSampler(b, p)
			for b.Loop() {
				_, _ = s.Sample(logits)
			}
		})
	}
}

// TestAllowed compares what is drawn of the allowed tokens with what is drawn
// when the logits of all others say never.
func TestAllowed(t *testing.T) {
	never := float32(math.Inf(-1))
	rapid.Check(t, func(t *rapid.T) {
		logits := rapid.SliceOfN(rapid.Float32Range(-9, 9), 1, 200).Draw(t, "logits")
		word := rapid.OneOf(rapid.Uint64(), rapid.Just(^uint64(0)), rapid.Just(uint64(0)), rapid.Just(uint64(1<<63)))
		allowed := rapid.SliceOfN(word, 1, 4).Draw(t, "allowed")
		p := Params{Temp: rapid.SampledFrom([]float64{0, 0.5, 1}).Draw(t, "temp"), TopK: rapid.SampledFrom([]int{0, 3}).Draw(t, "top-k"), MinP: rapid.SampledFrom([]float64{0, 0.1}).Draw(t, "min-p")}
		masked := slices.Clone(logits)
		for id := range masked {
			if id/64 >= len(allowed) || allowed[id/64]>>(id%64)&1 == 0 {
				masked[id] = never
			}
		}
		want, wrong := newSampler(t, p).Sample(masked)
		got, err := newSampler(t, p).SampleOf(logits, allowed)
		require.Equal(t, wrong == nil, err == nil)
		require.Equal(t, want, got)
	})
}

// TestForbiddenIsNotLookedAt has logits that no token may have.
func TestForbiddenIsNotLookedAt(t *testing.T) {
	logits := []float32{float32(math.NaN()), 1, float32(math.Inf(1)), 2}
	for _, p := range []Params{{}, {Temp: 1}} {
		id, err := newSampler(t, p).SampleOf(logits, []uint64{1 << 1})
		require.NoError(t, err)
		require.Equal(t, 1, id)
		_, err = newSampler(t, p).SampleOf(logits, []uint64{1<<1 | 1<<2})
		require.ErrorIs(t, err, ErrLogits)
		_, err = newSampler(t, p).SampleOf(logits, []uint64{})
		require.ErrorIs(t, err, ErrLogits)
	}
}

// TestLogNorm: probabilities add up to 1, and what has none is refused as Sample does.
func TestLogNorm(t *testing.T) {
	logits := []float32{3, 1e4, -2, 1e4 - 1, float32(math.Inf(-1))}
	best, norm, err := LogNorm(logits)
	require.NoError(t, err)
	require.Equal(t, 1, best)
	var sum float64
	for _, l := range logits {
		sum += math.Exp(float64(l) - norm)
	}
	require.InDelta(t, 1, sum, 1e-9)
	best, _, err = LogNorm([]float32{2, 5, 5})
	require.NoError(t, err)
	require.Equal(t, 1, best, "the first of equals")
	for want, logits := range map[string][]float32{
		"token 1 is NaN":  {1, float32(math.NaN()), 2},
		"token 2 is +Inf": {1, 2, float32(math.Inf(1))},
		"none of 1":       {float32(math.Inf(-1))},
		"none of 0":       nil,
	} {
		_, _, err := LogNorm(logits)
		require.ErrorIs(t, err, ErrLogits)
		require.ErrorContains(t, err, want)
	}
}

// BenchmarkSampleOf draws among shares of a vocabulary that lie as those of a
// grammar do: here and there.
func BenchmarkSampleOf(b *testing.B) {
	logits := make([]float32, 201088)
	for i := range logits {
		logits[i] = float32(math.Sin(float64(i)) * 8)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for _, share := range []float64{0.001, 0.3, 0.99, 1} {
		allowed := make([]uint64, len(logits)/64)
		for id := range logits {
			if r.Float64() < share {
				allowed[id/64] |= 1 << (id % 64)
			}
		}
		for name, p := range map[string]Params{"greedy": {}, "plain": {Temp: 1}} {
			b.Run(fmt.Sprint(name, "-", share), func(b *testing.B) {
				s := newSampler(b, p)
				for b.Loop() {
					_, _ = s.SampleOf(logits, allowed)
				}
			})
		}
	}
}
