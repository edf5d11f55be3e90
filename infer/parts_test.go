package infer

import (
	"math"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"expertfs/checkpoint/config"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTopK(t *testing.T) {
	nan := float32(math.NaN())
	for _, x := range []struct {
		logits []float32
		want   []int
	}{
		{[]float32{1, 3, 2, 0}, []int{1, 2}},
		{[]float32{1, 1, 1, 1}, []int{0, 1}},
		{[]float32{0, 5, 1, 5}, []int{1, 3}},
		{[]float32{-1, -2, -3}, []int{0, 1, 2}},
		{[]float32{nan, nan, nan}, []int{0, 1}},
		{[]float32{7}, []int{0}},
	} {
		got := make([]int, len(x.want))
		topK(got, x.logits)
		require.Equal(t, x.want, got, "%v", x.logits)
	}
}

func TestTopKIsAStableSort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logits := rapid.SliceOfN(rapid.Float32Range(-2, 2), 1, 40).Draw(t, "logits")
		for i := range logits {
			logits[i] = float32(math.Round(float64(logits[i]))) // many are equal
		}
		k := rapid.IntRange(1, len(logits)).Draw(t, "k")
		want := make([]int, len(logits))
		for i := range want {
			want[i] = i
		}
		slices.SortStableFunc(want, func(a, b int) int {
			return int(math.Copysign(1, float64(logits[b]-logits[a]))) * boolInt(logits[a] != logits[b])
		})
		got := make([]int, k)
		topK(got, logits)
		require.Equal(t, want[:k], got)
	})
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestExpertWeights(t *testing.T) {
	w := make([]float32, 2)
	expertWeights(w, []float32{1, 200, 199}, []int{1, 2})
	require.InDelta(t, 1/(1+math.Exp(-1)), w[0], 1e-6)
	require.InDelta(t, 1, float64(w[0]+w[1]), 1e-6)
	expertWeights(w, []float32{0, 1000, -1000}, []int{0, 1}) // routing may be replaced
	require.Equal(t, []float32{0, 1}, w)
}

// The frequencies of the published model, as the reference computes them.
func TestRopeOfThePublishedModel(t *testing.T) {
	r := newRope(64, config.Rope{Theta: 150000, Factor: 32, Alpha: 1, Beta: 32, InitialContext: 4096})
	low, high := (&config.Rope{Theta: 150000, Factor: 32, Alpha: 1, Beta: 32, InitialContext: 4096}).Bounds(64)
	require.InDelta(t, 8.092779115512402, low, 1e-12)
	require.InDelta(t, 17.39802450158856, high, 1e-12)
	require.InDelta(t, 1.3465735902799727, r.scale, 1e-12)
	for j, want := range map[int]float64{
		0: 1, 1: 0.689044306, 8: 0.0508132748, 9: 0.0317056962, 13: 0.00386035932, 17: 0.000129318701, 18: 3.83088124e-05, 31: 3.02351143e-07,
	} {
		require.InEpsilon(t, want, r.frequency[j], 1e-7, "frequency %d", j)
	}
	plain := newRope(64, config.Rope{Theta: 150000, Factor: 1, Alpha: 1, Beta: 32, InitialContext: 4096})
	require.Equal(t, 1.0, plain.scale)
	require.InEpsilon(t, math.Pow(150000, -31.0/32), plain.frequency[31], 1e-12)
}

func TestPoolRunsEveryTaskOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 5} {
		p := newPool(threads, true)
		for tasks := range 40 {
			counts := make([]atomic.Int32, tasks)
			p.run(tasks, func(thread, task int) {
				if thread < 0 || thread >= threads {
					panic("no such thread")
				}
				counts[task].Add(1)
			})
			for i := range counts {
				require.EqualValues(t, 1, counts[i].Load())
			}
		}
		p.close()
	}
}

// Thousands of loops one after the other, with and without time for the
// threads to fall asleep, must neither hang nor lose a task.
func TestPoolManyLoops(t *testing.T) {
	p := newPool(4, true)
	defer p.close()
	var sum atomic.Int64
	loops := 20_000
	if testing.Short() {
		loops = 2_000
	}
	for i := range loops {
		if i%500 == 0 {
			for !p.workers[0].parked.Load() { // until it sleeps
				runtime.Gosched()
			}
		}
		p.run(1+i%7, func(_, _ int) { sum.Add(1) })
	}
	want := int64(0)
	for i := range loops {
		want += int64(1 + i%7)
	}
	require.Equal(t, want, sum.Load())
}

func TestKVCacheSpansBlocks(t *testing.T) {
	c := &kvCache{heads: 1, headDim: 2, window: 5}
	for p := range 200 {
		c.grow(p, p+1)
		c.put(p, []float32{float32(p), 0}, []float32{0, float32(p)})
		scores := make([]float32, p+1-c.start(p))
		c.each(c.start(p), p+1, func(at, n int, b *kvBlock, offset int) {
			keys := b.k.open(&rowSpace{}, offset, n)
			keys.dots(scores[at-c.start(p):][:n], []float32{1, 0}, 1)
		})
		for i, v := range scores {
			require.Equal(t, float32(c.start(p)+i), v)
		}
		require.LessOrEqual(t, len(scores), 5)
	}
	require.True(t, c.canCut(199))
	require.False(t, c.canCut(100))
	require.LessOrEqual(t, len(c.blocks), 2)
}

// TestThreadsClaimTheirOwnPortionFirst checks that every task is claimed once,
// and by the thread it was meant for until that has none left.
func TestThreadsClaimTheirOwnPortionFirst(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 7} {
		for _, tasks := range []int{1, 2, 5, 100} {
			j := &job{portions: deal(tasks, threads)}
			last := threads - 1
			var got []int
			for {
				task, ok := j.claim(last)
				if !ok {
					break
				}
				got = append(got, task)
			}
			own := tasks * last / threads
			var want []int
			for task := own; task < tasks; task++ {
				want = append(want, task)
			}
			for task := range own {
				want = append(want, task)
			}
			require.Equal(t, want, got, "%d tasks, %d threads", tasks, threads)
		}
	}
}
