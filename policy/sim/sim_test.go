package sim_test

import (
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
		assert.False(t, c.Access(key(e), streams))
	}
	assert.True(t, c.Access(key(1), streams))
	assert.False(t, c.Access(key(0), streams), "evicted for 3")
	assert.Equal(t, expertfs.Uses{Hits: 1, Misses: 5}, c.Uses())
}

func TestKeysOfTheStepInProgressStay(t *testing.T) {
	c, streams := newCache(t, 35)
	for _, e := range []int{0, 1, 2} {
		c.Access(key(e), streams)
	}
	streams.Of(5).Announce(0, []expertfs.Key{key(3), key(0)})
	assert.False(t, c.Access(key(3), streams), "evicts 1, although 0 is older")
	assert.True(t, c.Access(key(0), streams))
	assert.False(t, c.Access(key(1), streams))
}

// TestJoinsShareTheLotOfTheUseBefore: who waits in the live cache for the load of
// another would have waited here too, unless that use was a hit here.
func TestJoinsShareTheLotOfTheUseBefore(t *testing.T) {
	c, streams := newCache(t, 25) // room for two
	c.Access(key(0), streams)
	c.Join(key(0), streams)
	c.Join(key(0), streams)
	assert.Equal(t, expertfs.Uses{Misses: 1, Joins: 2}, c.Uses())
	c.Access(key(0), streams)
	c.Join(key(0), streams)
	assert.Equal(t, expertfs.Uses{Hits: 2, Misses: 1, Joins: 2}, c.Uses())
	c.Access(key(1), streams)
	c.Access(key(2), streams) // evicts 0
	c.Join(key(0), streams)
	assert.Equal(t, expertfs.Uses{Hits: 2, Misses: 4, Joins: 2}, c.Uses(), "it is not there any more, and nobody reads it")
	c.Join(expertfs.Key{Layer: 1}, streams)
	assert.EqualValues(t, 9, c.Uses().Total())
}

func TestNothingFits(t *testing.T) {
	c, streams := newCache(t, 9)
	assert.False(t, c.Access(key(0), streams))
	assert.False(t, c.Access(key(0), streams))
}

func TestKeysOutsideTheModelAreMisses(t *testing.T) {
	c, streams := newCache(t, 35)
	for range 2 {
		assert.False(t, c.Access(expertfs.Key{Layer: 1}, streams))
		assert.False(t, c.Access(key(8), streams))
	}
	assert.EqualValues(t, 4, c.Uses().Total())
}

func TestUnknownPolicy(t *testing.T) {
	_, err := sim.New("clock", shape, 1)
	assert.ErrorContains(t, err, "clock")
}
