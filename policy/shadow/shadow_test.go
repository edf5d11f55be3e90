package shadow_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"expertfs"
	"expertfs/policy"
	"expertfs/policy/replay"
	"expertfs/policy/shadow"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var shape = expertfs.Shape{Layers: 4, Experts: 16, TopK: 2, ExpertBytes: 10, Budget: 200}

func routing(tokens int, opened bool) []expertfs.TraceStep {
	rng := rand.New(rand.NewPCG(1, 2))
	var steps []expertfs.TraceStep
	for t := range tokens {
		for l := range shape.Layers {
			a := min(rng.IntN(16), rng.IntN(16))
			b := (a + 1 + rng.IntN(15)) % 16
			steps = append(steps, expertfs.TraceStep{Token: int64(t), Layer: l, Opened: opened, Used: []expertfs.Key{
				{Layer: uint16(l), Expert: uint16(a)}, {Layer: uint16(l), Expert: uint16(b)}}})
		}
	}
	return steps
}

// interleave gives steps to readers that come and go, at random paces. A new
// reader takes the least number that is free.
func interleave(steps []expertfs.TraceStep, rng *rand.Rand, readers int) (merged []expertfs.TraceStep) {
	var live []int // the stream of each reader
	for len(steps) > 0 {
		switch i := rng.IntN(readers); {
		case i >= len(live):
			stream := 0
			for slices.Contains(live, stream) {
				stream++
			}
			live = append(live, stream)
		case rng.IntN(50) == 0:
			merged = append(merged, expertfs.TraceStep{Stream: live[i], End: true})
			live = slices.Delete(live, i, i+1)
		default:
			steps[0].Stream = live[i]
			merged, steps = append(merged, steps[0]), steps[1:]
		}
	}
	return merged
}

// TestShadowsHitWhatReplayHits, with the steps announced and without, of one
// reader and of several.
func TestShadowsHitWhatReplayHits(t *testing.T) {
	for _, c := range []struct {
		readers int
		opened  bool
	}{{1, false}, {1, true}, {2, false}, {4, false}, {4, true}} {
		steps := interleave(routing(200, c.opened), rand.New(rand.NewPCG(3, 4)), c.readers)
		set, err := shadow.New(shape, policy.Names(), 5)
		require.NoError(t, err)
		for _, s := range steps {
			if s.End {
				set.EndStream(s.Stream)
				continue
			}
			if !c.opened {
				set.Step(s.Stream, s.Layer, s.Used)
			}
			for _, k := range s.Used {
				set.Use(s.Stream, k)
			}
		}
		recording, err := replay.NewRecording(shape, steps)
		require.NoError(t, err)
		report := set.Report()
		require.Len(t, report, len(policy.Names()))
		for _, e := range report {
			want, err := recording.Run(e.Policy, shape.Budget, 5)
			require.NoError(t, err)
			assert.Equal(t, want, e.Hits, "%s of %d readers", e.Policy, c.readers)
			assert.Equal(t, recording.Accesses, e.Accesses)
			assert.InDelta(t, float64(want)/float64(recording.Accesses), e.HitRate, 1e-9)
		}
	}
}

// TestJoinsAreUses: a shadow of the policy that the live cache has gets its rate.
func TestJoinsAreUses(t *testing.T) {
	set, err := shadow.New(shape, []string{"lru"}, 1)
	require.NoError(t, err)
	k := expertfs.Key{Layer: 1, Expert: 3}
	set.Use(0, k)
	set.Join(1, k)
	set.Use(0, k)
	live := expertfs.Uses{Hits: 1, Misses: 1, Joins: 1}
	require.Equal(t, []expertfs.ShadowStats{{Policy: "lru", Hits: live.Hits, Accesses: live.Total(), HitRate: live.HitRate()}}, set.Report())
}

func TestResize(t *testing.T) {
	set, err := shadow.New(shape, []string{"lru"}, 1)
	require.NoError(t, err)
	assert.Zero(t, set.Report()[0].HitRate)
	use := func() int64 {
		before := set.Report()[0].Hits
		for e := range uint16(10) {
			set.Use(0, expertfs.Key{Expert: e})
		}
		return set.Report()[0].Hits - before
	}
	use()
	assert.EqualValues(t, 10, use())
	set.Resize(50)
	assert.EqualValues(t, 0, use(), "a circle of ten through room for five")
	set.Resize(100)
	use()
	assert.EqualValues(t, 10, use())
	set.Resize(0)
	assert.EqualValues(t, 0, use())
}

func TestUnknownPolicy(t *testing.T) {
	_, err := shadow.New(shape, []string{"lru", "clock"}, 1)
	assert.ErrorContains(t, err, "clock")
}
