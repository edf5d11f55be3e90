package tiers

import (
	"context"
	"iter"
	"testing"

	"expertfs"
	"expertfs/policy"

	"github.com/stretchr/testify/require"
)

func TestAPrefetchedExpertIsAHit(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{})
	c.Prefetch(key(2, 3))
	eventually(t, func() bool { return c.Stats().Resident == 1 })
	h := open(t, c, key(2, 3))
	require.Equal(t, bytesOf(t, ck, ck.Expert(key(2, 3))), h.Bytes())
	h.Release()
	s := c.Stats()
	require.EqualValues(t, 1, s.Hits)
	require.Zero(t, s.Misses)
	require.Equal(t, expertfs.PrefetchStats{Asked: 1, Useful: 1}, s.Prefetch)
}

func TestAGuessIsSparedUntilItsLayerHasPassed(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{})
	c.Prefetch(key(3, 3))
	eventually(t, func() bool { return c.Stats().Resident == 1 })
	used := []expertfs.Key{key(1, 0), key(1, 1), key(1, 2)}
	c.Step(1, used)
	for _, k := range used {
		open(t, c, k).Release()
	}
	c.Step(2, []expertfs.Key{key(2, 0)})
	open(t, c, key(2, 0)).Release() // an lru would evict the guess
	require.Equal(t, "ram", c.Expert(key(3, 3)).Tier)

	c.Step(3, []expertfs.Key{key(3, 0)}) // it was wrong
	open(t, c, key(3, 0)).Release()
	require.Equal(t, "nvme", c.Expert(key(3, 3)).Tier)
	require.Equal(t, expertfs.PrefetchStats{Asked: 1, Wasted: 1}, c.Stats().Prefetch)
}

func TestGuessesYieldWhereNothingElseCan(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{})
	c.Prefetch(key(2, 0), key(2, 1), key(2, 2), key(2, 3))
	eventually(t, func() bool { return c.Stats().Resident == 4 })
	used := []expertfs.Key{key(1, 0), key(1, 1), key(1, 2), key(1, 3)}
	c.Step(1, used)
	require.EqualValues(t, 4, c.Stats().Prefetch.Wasted)
	for _, k := range used { // not one another's
		open(t, c, k).Release()
	}
	require.Equal(t, used, c.Resident())
}

func TestAnOpenOvertakesItsOwnPrefetch(t *testing.T) {
	f, ck := &faults{}, tiny(t)
	c := newCache(t, ck, 4, Options{NVMe: f.options()})
	release := f.gate()
	defer release()
	c.Prefetch(key(2, 3))
	opened := make(chan error)
	go func() {
		h, err := c.Open(context.Background(), key(2, 3))
		if err == nil {
			h.Release()
		}
		opened <- err
	}()
	eventually(t, func() bool { return c.Stats().Misses == 1 })
	release()
	require.NoError(t, <-opened)
	s := c.Stats()
	require.EqualValues(t, 1, s.Loads)
	require.Equal(t, expertfs.PrefetchStats{Asked: 1, Late: 1}, s.Prefetch)
}

func TestPrefetchesAreBoundedAndLateOnesDropped(t *testing.T) {
	f, ck := &faults{}, tiny(t)
	o := Options{NVMe: f.options(), PrefetchBytes: 3 * pages(ck.ExpertSize())}
	o.NVMe.Workers = 1
	c := newCache(t, ck, 8, o)
	release := f.gate()
	defer release()
	c.Prefetch(key(1, 0), key(1, 1), key(1, 2), key(1, 3), key(1, 4))
	require.Equal(t, expertfs.PrefetchStats{Asked: 5, Dropped: 2}, c.Stats().Prefetch)
	eventually(t, func() bool { return f.count.Load() == 1 }) // the worker is with one of them
	c.Step(1, []expertfs.Key{key(1, 0), key(1, 9)})
	release()
	// The one that was right goes on, too late to be a hit, and the other is read.
	eventually(t, func() bool { return c.Stats().LoadingBytes == 0 })
	s := c.Stats()
	require.Equal(t, "ram", c.Expert(key(1, 0)).Tier)
	require.Equal(t, "ram", c.Expert(key(1, 9)).Tier)
	require.EqualValues(t, 5, int64(s.Resident)+s.Prefetch.Late)
	require.GreaterOrEqual(t, s.Prefetch.Late, int64(1))
}

func TestGuessesAreDueInTheOrderOfLayers(t *testing.T) {
	c := newCache(t, tiny(t), 8, Options{})
	c.Step(2, []expertfs.Key{key(2, 0)})
	next := c.shared.stream.next(0)
	require.Equal(t, []int64{next - 1, next, next + 1, next + 2}, []int64{c.shared.stream.next(3), c.shared.stream.next(0), c.shared.stream.next(1), c.shared.stream.next(2)})
	c.Step(3, []expertfs.Key{key(3, 0)})
	require.Equal(t, next, c.shared.stream.next(0), "it does not depend on when the guess was made")
}

func TestAnOpenOfAPrefetchJustDroppedLoadsIt(t *testing.T) {
	f, ck := &faults{}, tiny(t)
	o := Options{NVMe: f.options()}
	o.NVMe.Workers = 1
	c := newCache(t, ck, 8, o)
	release := f.gate()
	defer release()
	c.Prefetch(key(0, 0)) // keeps the worker
	eventually(t, func() bool { return f.count.Load() == 1 })
	c.Prefetch(key(1, 1))
	c.Step(1, []expertfs.Key{key(1, 2)})
	opened := make(chan error)
	go func() {
		h, err := c.Open(context.Background(), key(1, 1))
		if err == nil {
			h.Release()
		}
		opened <- err
	}()
	eventually(t, func() bool { return c.Stats().Misses == 1 })
	release()
	require.NoError(t, <-opened)
}

func TestPrefetchesTakeNothingFromReaders(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{})
	for expert := range 4 {
		defer open(t, c, key(0, expert)).Release()
	}
	c.Prefetch(key(1, 0))
	require.Equal(t, expertfs.PrefetchStats{Asked: 1, Dropped: 1}, c.Stats().Prefetch)
	require.Equal(t, 4, c.Stats().Resident)
}

// valued is a policy that says what its residents are worth.
type valued struct {
	policy.Policy
	worth map[expertfs.Key]float64
}

func (v valued) Value(k expertfs.Key) float64 { return v.worth[k] }

func (v valued) Forecast(_ int, k expertfs.Key) float64 { return v.worth[k] }

func (v valued) Victims() iter.Seq[expertfs.Key] { return v.Policy.Victims() }

func TestAPrefetchEvictsOnlyWhatIsWorthLess(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{NoForecast: true})
	worth := map[expertfs.Key]float64{key(0, 0): 0.9, key(1, 1): 0.95}
	c.guard.Lock()
	c.evictor.policy = valued{c.evictor.policy, worth}
	c.guard.Unlock()
	for expert := range 4 {
		open(t, c, key(0, expert)).Release()
	}
	c.Step(3, nil)        // the step of layer 0 is over, its experts are not spared
	c.Prefetch(key(1, 0)) // worth one half
	require.EqualValues(t, 1, c.Stats().Prefetch.Dropped)
	c.Prefetch(key(1, 1))
	eventually(t, func() bool { return c.Expert(key(1, 1)).Tier == "ram" })
	require.Equal(t, "nvme", c.Expert(key(0, 0)).Tier)
	c.Prefetch(key(1, 2)) // the next victim is worth nothing
	eventually(t, func() bool { return c.Expert(key(1, 2)).Tier == "ram" })
}

func TestTouchIsAUse(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{})
	for expert := range 4 {
		open(t, c, key(0, expert)).Release()
	}
	open(t, c, key(1, 0)).Release() // a step of its own; evicts 0/0
	c.Touch(key(0, 1), key(3, 3), key(99, 99))
	require.EqualValues(t, 1, c.Stats().Hits)
	require.EqualValues(t, 1, c.Expert(key(0, 1)).Hits)
	open(t, c, key(2, 0)).Release()
	require.Equal(t, "ram", c.Expert(key(0, 1)).Tier, "used last but one")
	require.Equal(t, "nvme", c.Expert(key(0, 2)).Tier, "used longest ago")
}
