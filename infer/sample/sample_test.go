package sample

import (
	"math"
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

func TestMask(t *testing.T) {
	logits := make([]float32, 130)
	Mask(logits, []uint64{1 << 3, ^uint64(0)})
	for id, l := range logits {
		if id == 3 || id >= 64 && id < 128 {
			require.Zero(t, l, id)
		} else {
			require.Equal(t, float32(math.Inf(-1)), l, id)
		}
	}
	for _, p := range []Params{{}, {Temp: 1}, {Temp: 2, TopK: 200, TopP: 0.9, MinP: 0.1}} {
		only := make([]float32, 130)
		Mask(only, []uint64{0, 0, 1 << 1})
		id, err := newSampler(t, p).Sample(only)
		require.NoError(t, err)
		require.Equal(t, 129, id)
	}
}

func BenchmarkMask(b *testing.B) {
	for name, word := range map[string]uint64{"few": 1 << 7, "most": ^uint64(1 << 7)} {
		b.Run(name, func(b *testing.B) {
			logits := make([]float32, 201088)
			allowed := make([]uint64, len(logits)/64)
			for i := range allowed {
				allowed[i] = word
			}
			s := newSampler(b, Params{Temp: 1})
			b.Run("mask", func(b *testing.B) {
				for b.Loop() {
					Mask(logits, allowed)
				}
			})
			b.Run("sample", func(b *testing.B) {
				for b.Loop() {
					_, _ = s.Sample(logits)
				}
			})
		})
	}
}
