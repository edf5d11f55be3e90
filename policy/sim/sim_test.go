package sim_test

import (
	"math/rand/v2"
	"testing"

	"expertfs"
	"expertfs/policy"
	"expertfs/policy/sim"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var shape = expertfs.Shape{Layers: 1, Experts: 8, TopK: 2, ExpertBytes: 10, Budget: 35}

func key(expert int) expertfs.Key { return expertfs.Key{Expert: uint16(expert)} }

func newCache(t *testing.T, budget int64) (*sim.Cache, *policy.Streams) {
	s := shape
	s.Budget = budget
	c, err := sim.New("lru", s, 1)
	require.NoError(t, err)
	return c, &policy.Streams{}
}

func TestBudgetIsKept(t *testing.T) {
	c, streams := newCache(t, 35) // room for three
	for _, e := range []int{0, 1, 2, 3} {
		assert.False(t, c.Access(0, key(e), streams))
	}
	assert.True(t, c.Access(0, key(1), streams))
	assert.False(t, c.Access(0, key(0), streams), "evicted for 3")
	assert.Equal(t, expertfs.Uses{Hits: 1, Misses: 5}, c.Uses())
}

func TestKeysOfTheStepInProgressStay(t *testing.T) {
	c, streams := newCache(t, 35)
	for _, e := range []int{0, 1, 2} {
		c.Access(0, key(e), streams)
	}
	streams.Of(5).Announce(0, []expertfs.Key{key(3), key(0)})
	assert.False(t, c.Access(0, key(3), streams), "evicts 1, although 0 is older")
	assert.True(t, c.Access(0, key(0), streams))
	assert.False(t, c.Access(0, key(1), streams))
}

// TestJoinsShareTheLotOfTheUseBefore: who waits in the live cache for the load of
// another would have waited here too, unless that use was a hit here.
func TestJoinsShareTheLotOfTheUseBefore(t *testing.T) {
	c, streams := newCache(t, 25) // room for two
	c.Access(0, key(0), streams)
	c.Join(0, key(0), streams)
	c.Join(0, key(0), streams)
	assert.Equal(t, expertfs.Uses{Misses: 1, Joins: 2}, c.Uses())
	c.Access(0, key(0), streams)
	c.Join(0, key(0), streams)
	assert.Equal(t, expertfs.Uses{Hits: 2, Misses: 1, Joins: 2}, c.Uses())
	c.Access(0, key(1), streams)
	c.Access(0, key(2), streams) // evicts 0
	c.Join(0, key(0), streams)
	assert.Equal(t, expertfs.Uses{Hits: 2, Misses: 4, Joins: 2}, c.Uses(), "it is not there any more, and nobody reads it")
	c.Join(0, expertfs.Key{Layer: 1}, streams)
	assert.EqualValues(t, 9, c.Uses().Total())
}

func TestNothingFits(t *testing.T) {
	c, streams := newCache(t, 9)
	assert.False(t, c.Access(0, key(0), streams))
	assert.False(t, c.Access(0, key(0), streams))
}

func TestKeysOutsideTheModelAreMisses(t *testing.T) {
	c, streams := newCache(t, 35)
	for range 2 {
		assert.False(t, c.Access(0, expertfs.Key{Layer: 1}, streams))
		assert.False(t, c.Access(0, key(8), streams))
	}
	assert.EqualValues(t, 4, c.Uses().Total())
}

func TestUnknownPolicy(t *testing.T) {
	_, err := sim.New("clock", shape, 1)
	assert.ErrorContains(t, err, "clock")
}

// TestForeseeingChangesNoCount, whatever the order of accesses, where there is room
// beside the steps in progress.
func TestForeseeingChangesNoCount(t *testing.T) {
	s := expertfs.Shape{Layers: 3, Experts: 16, TopK: 3, ExpertBytes: 10, Budget: 200}
	for _, spec := range policy.Names() {
		rng := rand.New(rand.NewPCG(2, 3))
		var caches [2]*sim.Cache
		for i := range caches {
			var err error
			caches[i], err = sim.New(spec, s, 1)
			require.NoError(t, err)
		}
		plain, foreseeing := caches[0], caches[1]
		var streams policy.Streams
		for n := range 900 {
			layer := n % s.Layers
			var used []expertfs.Key
			of := []int{6, s.Experts}[rng.IntN(2)] // some are used more often
			for _, e := range rng.Perm(of)[:s.TopK] {
				used = append(used, expertfs.NewKey(layer, e))
			}
			streams.Of(0).Announce(layer, used)
			for _, c := range caches {
				c.Step(policy.Step{Layer: layer, Used: used})
			}
			foreseeing.Foresee(0, used, &streams)
			for _, k := range used {
				plain.Access(0, k, &streams)
			}
			rng.Shuffle(len(used), func(i, j int) { used[i], used[j] = used[j], used[i] })
			for _, k := range used {
				foreseeing.Access(0, k, &streams)
			}
			require.Equal(t, plain.Uses(), foreseeing.Uses(), "%s, step %d", spec, n)
		}
		require.Positive(t, plain.Uses().Hits)
	}
}

// TestForeseeingEndsWhereStepsWouldSuffer: the accesses do the rest.
func TestForeseeingEndsWhereStepsWouldSuffer(t *testing.T) {
	c, streams := newCache(t, 20) // room for two
	streams.Of(0).Announce(0, []expertfs.Key{key(0), key(1), key(2)})
	c.Foresee(0, []expertfs.Key{key(0), key(1), key(2)}, streams)
	for e := range 3 {
		assert.False(t, c.Access(0, key(e), streams))
	}
	assert.True(t, c.Access(0, key(2), streams))
	assert.Equal(t, expertfs.Uses{Hits: 1, Misses: 3}, c.Uses())
}
