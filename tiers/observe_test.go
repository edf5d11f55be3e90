package tiers

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"expertfs"
	"expertfs/policy"
	"expertfs/policy/replay"

	"github.com/stretchr/testify/require"
)

// routing is what a router with a taste chooses: for each of some tokens, four
// experts of each layer.
func routing(tokens int) [][]expertfs.Key {
	rng := rand.New(rand.NewPCG(3, 3))
	var steps [][]expertfs.Key
	for range tokens {
		for layer := range 4 {
			var used []expertfs.Key
			for len(used) < 4 {
				k := key(layer, min(rng.IntN(32), rng.IntN(32)))
				if !slices.Contains(used, k) {
					used = append(used, k)
				}
			}
			steps = append(steps, used)
		}
	}
	return steps
}

// record runs a routing through a cache and returns its figures, those of its
// shadow policies among them, and the trace. Several readers go through the layers
// each at a pace of its own; now and then one leaves, and another comes in its place.
func record(t *testing.T, spec string, slots, readers int, announce bool) (live expertfs.CacheStats, recorded []byte) {
	t.Helper()
	ck := tiny(t)
	var text bytes.Buffer
	w := expertfs.NewTraceWriter(&text, false, expertfs.TraceMeta{Layers: 4, Experts: 32, TopK: 4})
	c, err := New(ck, Options{
		Budget: int64(slots) * pages(ck.ExpertSize()), Policy: spec, Seed: 5,
		Trace: w.Step, Shadows: []string{spec, "fifo"}, NoForecast: true,
	})
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(uint64(readers), 11))
	programs, steps := make([]*Reader, readers), routing(25*readers)
	var turns []int // of programs
	for n := range readers {
		programs[n] = c.NewReader(ReaderInfo{PID: n + 1})
		turns = append(turns, slices.Repeat([]int{n}, 100)...)
	}
	rng.Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
	done := make([]int, readers)
	for pid, n := range turns {
		if readers > 1 && rng.IntN(20) == 0 {
			programs[n].Close()
			programs[n] = c.NewReader(ReaderInfo{PID: readers + pid + 1})
		}
		used := steps[100*n+done[n]]
		done[n]++
		if announce {
			programs[n].Step(int(used[0].Layer), used)
		}
		for _, k := range used {
			openBy(t, programs[n], k).Release()
		}
	}
	live = c.Stats()
	require.NoError(t, c.Close())
	live.Shadows = c.observer.events.report() // all events have been passed on
	require.NoError(t, w.Close())
	return live, text.Bytes()
}

// TestTheLiveCacheAgreesWithAReplay holds the cache, its shadow policies, and the
// replay of its trace to the same number of hits, with one reader and with three.
// Only the cache could read ahead.
func TestTheLiveCacheAgreesWithAReplay(t *testing.T) {
	const slots = 40
	for _, spec := range policy.Names() {
		for _, readers := range []int{1, 3} {
			for _, announce := range []bool{true, false} {
				name := fmt.Sprintf("%s, %d readers, announced: %v", spec, readers, announce)
				live, recorded := record(t, spec, slots, readers, announce)
				steps := readSteps(t, recorded)
				count := 0
				for _, s := range steps {
					if !s.End {
						require.Equal(t, !announce, s.Opened)
						count++
					}
				}
				require.Equal(t, 100*readers, count)
				shape := expertfs.Shape{Layers: 4, Experts: 32, TopK: 4, ExpertBytes: live.SlotBytes}
				recording, err := replay.NewRecording(shape, steps)
				require.NoError(t, err)
				hits, err := recording.Run(spec, slots*live.SlotBytes, 5)
				require.NoError(t, err)
				require.EqualValues(t, 400*readers, live.Hits+live.Misses)
				require.Len(t, live.Shadows, 2)
				if spec == "pin" {
					// It loads before the first use what a replay does not.
					continue
				}
				require.Equal(t, live.Hits, live.Shadows[0].Hits, name)
				if announce || readers == 1 {
					require.Equal(t, hits, live.Hits, name)
				} else {
					// A step found in opens is written when the next begins, so a
					// replay has the opens of several readers in another order.
					require.InDelta(t, hits, live.Hits, 36, name)
				}
			}
		}
	}
}

// readSteps reads all of a trace.
func readSteps(t *testing.T, text []byte) (steps []expertfs.TraceStep) {
	t.Helper()
	r, err := expertfs.NewTraceReader(bytes.NewReader(text), "trace")
	require.NoError(t, err)
	for {
		s, err := r.Next()
		if err == io.EOF {
			return steps
		}
		require.NoError(t, err)
		steps = append(steps, s)
	}
}

func TestAPolicyThatWantsExpertsGetsThem(t *testing.T) {
	ck := tiny(t)
	heat := policy.NewHeat(expertfs.Shape{Layers: 4, Experts: 32, TopK: 4})
	var hot []expertfs.Key
	for layer := range 4 {
		for expert := range 4 {
			hot = append(hot, key(layer, 2*expert+1))
		}
	}
	for range 50 {
		for layer := range 4 {
			heat.Step(policy.Step{Layer: layer, Used: hot[4*layer : 4*layer+4]})
		}
	}
	c := newCache(t, ck, 16, Options{Policy: "pin", Heat: heat})
	eventually(t, func() bool { return c.Stats().Resident == 16 })
	require.Equal(t, hot, c.Resident())
	require.Zero(t, c.Stats().Prefetch)
	for _, k := range hot {
		h := open(t, c, k)
		require.Equal(t, bytesOf(t, ck, ck.Expert(k)), h.Bytes())
		h.Release()
	}
	require.EqualValues(t, 16, c.Stats().Hits)

	require.NoError(t, c.SetBudget(128*c.slots.bytes))
	eventually(t, func() bool { return c.Stats().Resident == 128 })
	require.Zero(t, c.Stats().Evictions)
}

func TestHeatIsLearnedForTheNextRun(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 8, Options{})
	for range 3 {
		c.Step(1, []expertfs.Key{key(1, 5)})
	}
	require.NoError(t, c.Close())
	require.Equal(t, 3, c.Heat().Visits(1))
	require.Greater(t, c.Heat().Rate(key(1, 5)), c.Heat().Rate(key(1, 6)))
}
