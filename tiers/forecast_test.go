package tiers

import (
	"testing"

	"expertfs"
	"expertfs/policy"

	"github.com/stretchr/testify/require"
)

// foreseeing makes a cache of 8 slots with a policy that gives experts the
// values of worth.
func foreseeing(t *testing.T, worth map[expertfs.Key]float64, o Options) *Cache {
	c := newCache(t, tiny(t), 8, o)
	c.guard.Lock()
	defer c.guard.Unlock()
	c.evictor.policy = valued{c.evictor.policy, worth}
	return c
}

func TestWhatThePolicyExpectsIsReadAhead(t *testing.T) {
	worth := map[expertfs.Key]float64{
		key(1, 0): 0.3, // not likely enough
		key(1, 1): 0.6,
		key(3, 3): 0.7,
		key(0, 4): 0.9, // too far ahead
	}
	c := foreseeing(t, worth, Options{})
	c.Step(0, []expertfs.Key{key(0, 0)})
	eventually(t, func() bool { return c.Stats().Resident == 3 })
	require.ElementsMatch(t, []expertfs.Key{key(0, 0), key(1, 1), key(3, 3)}, c.Resident())
	require.Equal(t, expertfs.PrefetchStats{Asked: 2}, c.Stats().Prefetch)

	c.Step(1, []expertfs.Key{key(1, 1)}) // now the next token's layer 0 is near
	eventually(t, func() bool { return c.Expert(key(0, 4)).Tier == "ram" })
	require.EqualValues(t, 3, c.Stats().Prefetch.Asked, "those in RAM are not asked for again")
}

// TestTheSurerIsForeseenFirst, where there is room for one alone.
func TestTheSurerIsForeseenFirst(t *testing.T) {
	c := foreseeing(t, map[expertfs.Key]float64{key(1, 1): 0.5, key(2, 2): 0.9, key(2, 3): 0.6}, Options{})
	c.guard.Lock()
	c.prefetch.bytes = 2 * c.slots.bytes // half of it is for hints
	c.guard.Unlock()
	c.Step(0, []expertfs.Key{key(0, 0)})
	eventually(t, func() bool { return c.Stats().Resident == 2 })
	require.Equal(t, []expertfs.Key{key(0, 0), key(2, 2)}, c.Resident())
	require.EqualValues(t, 1, c.Stats().Prefetch.Asked)
}

// TestTheSurerIsReadSooner than what is needed a few layers before it.
func TestTheSurerIsReadSooner(t *testing.T) {
	c := newCache(t, tiny(t), 8, Options{})
	c.Step(0, []expertfs.Key{key(0, 0)})
	s := c.shared.stream
	due := func(layer int, chance float64) int64 {
		return (&load{chance: chance, wants: []want{{s, s.next(layer)}}}).due()
	}
	require.Less(t, due(1, 0.5), due(2, 0.5))
	require.Less(t, due(2, 0.9), due(1, 0.5))
	require.Less(t, due(1, 0.5), due(3, 0.55))
	require.Less(t, due(3, 0), (&load{}).due(), "what nobody waits for comes last")
}

func TestForesightEvictsOnlyWhatIsLessLikely(t *testing.T) {
	worth := map[expertfs.Key]float64{}
	c := foreseeing(t, worth, Options{})
	open(t, c, key(3, 0)).Release()
	for expert := range 7 { // all slots
		open(t, c, key(0, expert)).Release()
	}
	c.guard.Lock()
	worth[key(1, 1)] = 0.42
	for expert := range 7 {
		worth[key(0, expert)] = 0.45
	}
	c.guard.Unlock()
	c.Step(3, []expertfs.Key{key(3, 0)}) // a guess of a reader would be worth one half
	require.Zero(t, c.Stats().Prefetch.Asked)
	c.guard.Lock()
	worth[key(0, 0)] = 0.41 // the best victim
	c.guard.Unlock()
	c.Step(3, []expertfs.Key{key(3, 0)})
	eventually(t, func() bool { return c.Expert(key(1, 1)).Tier == "ram" })
	require.Equal(t, "nvme", c.Expert(key(0, 0)).Tier)
}

func TestNothingIsForeseenAtTheEnd(t *testing.T) {
	c := foreseeing(t, map[expertfs.Key]float64{key(1, 1): 0.9}, Options{})
	open(t, c, key(0, 0)).Release() // a step that Close ends
	require.NoError(t, c.Close())
	require.Zero(t, c.observer.prefetch.Asked)
}

func TestForesightGoesOnWithTheNextToken(t *testing.T) {
	c := foreseeing(t, map[expertfs.Key]float64{key(0, 5): 0.9, key(1, 6): 0.9}, Options{})
	c.Step(3, []expertfs.Key{key(3, 0)}) // the last layer of the tiny model
	eventually(t, func() bool { return c.Stats().Resident == 3 })
	require.ElementsMatch(t, []expertfs.Key{key(0, 5), key(1, 6), key(3, 0)}, c.Resident())
}

func TestWhenNothingIsForeseen(t *testing.T) {
	worth := map[expertfs.Key]float64{key(1, 1): 0.9}
	c := foreseeing(t, worth, Options{NoForecast: true})
	c.Step(0, []expertfs.Key{key(0, 0)})
	require.Zero(t, c.Stats().Prefetch.Asked, "switched off")

	c = foreseeing(t, worth, Options{})
	var batch []expertfs.Key
	for expert := range c.shape.TopK + 1 {
		batch = append(batch, key(0, expert))
	}
	c.Step(0, batch)
	require.Zero(t, c.Stats().Prefetch.Asked, "a batch of a prompt")

	c = newCache(t, tiny(t), 8, Options{Policy: "lru"})
	c.Step(0, []expertfs.Key{key(0, 0)})
	require.Zero(t, c.Stats().Prefetch.Asked, "a policy without forecasts")
}

// TestForesightTurnsMissesIntoHits reads a routing in which each token tells the
// next one. The cache is too small for any eviction policy to keep all experts.
func TestForesightTurnsMissesIntoHits(t *testing.T) {
	ck := tiny(t)
	misses := map[bool]int64{}
	for _, off := range []bool{false, true} {
		c := newCache(t, ck, 24, Options{Policy: policy.Default, NoForecast: off})
		var before int64
		for token := range 400 {
			if token == 300 { // all is learned
				before = c.Stats().Misses
			}
			kind := token * 7919 % 8 // each seen every eighth token
			for layer := range ck.Config().Layers {
				used := []expertfs.Key{key(layer, kind*4), key(layer, kind*4+1), key(layer, kind*4+2), key(layer, kind*4+3)}
				c.Step(layer, used)
				for _, k := range used {
					open(t, c, k).Release()
				}
				// The time in which a model computes.
				eventually(t, func() bool { return c.Stats().LoadingBytes == 0 })
			}
		}
		misses[off] = c.Stats().Misses - before
	}
	require.Positive(t, misses[true])
	require.Less(t, misses[false], misses[true]/2)
}
