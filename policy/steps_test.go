package policy_test

import (
	"slices"
	"testing"

	"expertfs"
	"expertfs/policy"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

// recorder keeps the steps of a stream as a policy would get them.
type recorder struct {
	policy.Steps
	got []policy.Step
}

func (r *recorder) take(s policy.Step, ok bool) {
	if ok {
		s.Used = slices.Clone(s.Used)
		r.got = append(r.got, s)
	}
}

func (r *recorder) announce(layer int, used []expertfs.Key) {
	r.take(r.Announce(layer, used))
	r.take(policy.Step{Layer: layer, Used: used}, true)
}

func (r *recorder) access(ks ...expertfs.Key) {
	for _, k := range ks {
		r.take(r.Access(k))
	}
}

func (r *recorder) flush() { r.take(r.Flush()) }

// announced and found are steps of stream 0.
func announced(used ...expertfs.Key) policy.Step {
	return policy.Step{Layer: int(used[0].Layer), Used: used}
}

func found(used ...expertfs.Key) policy.Step {
	return policy.Step{Layer: int(used[0].Layer), Used: used, Found: true}
}

func TestStepsAreFoundInAccesses(t *testing.T) {
	var s recorder
	s.access(keys(0, 1, 2)...)
	assert.Empty(t, s.got, "the group is not known to be over")
	s.access(keys(1, 3, 4)...)
	s.access(keys(0, 5)...)
	s.flush()
	s.flush()
	assert.Equal(t, []policy.Step{found(keys(0, 1, 2)...), found(keys(1, 3, 4)...), found(keys(0, 5)...)}, s.got)
}

func TestReopeningIsNoStepButReturningIs(t *testing.T) {
	var s recorder
	s.access(keys(0, 1, 1, 1, 2, 2, 1)...)
	s.flush()
	assert.Equal(t, []policy.Step{found(keys(0, 1, 2)...), found(keys(0, 1)...)}, s.got)
}

func TestAnnouncedStepsAreNotFoundAgain(t *testing.T) {
	var s recorder
	s.announce(0, keys(0, 1, 2))
	s.access(keys(0, 1, 2, 1, 2)...)
	s.announce(1, keys(1, 3))
	s.access(keys(1, 3)...)
	s.flush()
	assert.Equal(t, []policy.Step{announced(keys(0, 1, 2)...), announced(keys(1, 3)...)}, s.got)
}

func TestAnnouncingEndsAFoundGroup(t *testing.T) {
	var s recorder
	s.access(keys(0, 1)...)
	s.announce(1, keys(1, 3))
	s.access(keys(1, 3)...)
	assert.Equal(t, []policy.Step{found(keys(0, 1)...), announced(keys(1, 3)...)}, s.got)
}

func TestReaderMayCeaseToAnnounce(t *testing.T) {
	var s recorder
	s.announce(0, keys(0, 1))
	for range 3 {
		s.access(keys(0, 1)...)
		s.access(keys(1, 2)...)
	}
	s.flush()
	last := s.got[len(s.got)-2:]
	assert.Equal(t, []policy.Step{found(keys(0, 1)...), found(keys(1, 2)...)}, last)
}

func TestKeysOfTheStepInProgressGoLast(t *testing.T) {
	p, err := policy.New("lru", small, 1)
	assert.NoError(t, err)
	for e := range 4 {
		p.Insert(key(0, e), expertBytes)
	}
	var s policy.Streams
	s.Of(0).Announce(0, keys(0, 0, 2))
	assert.Equal(t, keys(0, 1, 3, 0, 2), slices.Collect(s.Victims(p)))
	s.Of(0).Access(key(0, 1))
	assert.Equal(t, keys(0, 3, 0, 1, 2), slices.Collect(s.Victims(p)))
	for k := range s.Victims(p) {
		assert.Equal(t, key(0, 3), k)
		break
	}
}

// TestStepsCoverAccesses: whatever is accessed is in a step, once for each
// time that it was not accessed just before.
func TestStepsCoverAccesses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s recorder
		var want, have []expertfs.Key
		for range rapid.IntRange(0, 50).Draw(t, "n") {
			k := key(rapid.IntRange(0, 1).Draw(t, "layer"), rapid.IntRange(0, 2).Draw(t, "expert"))
			s.access(k)
			if len(want) == 0 || want[len(want)-1] != k {
				want = append(want, k)
			}
		}
		s.flush()
		for _, e := range s.got {
			for _, k := range e.Used {
				if int(k.Layer) != e.Layer {
					t.Fatalf("%v in a step of layer %d", k, e.Layer)
				}
			}
			have = append(have, e.Used...)
		}
		if !slices.Equal(want, have) {
			t.Fatalf("accessed %v, stepped %v", want, have)
		}
	})
}

// TestStreamsAreTold: what one reader does neither ends nor covers the steps
// of another, and the active keys of all go last.
func TestStreamsAreTold(t *testing.T) {
	p, err := policy.New("lru", small, 1)
	assert.NoError(t, err)
	insert(p, keys(0, 0, 1, 2, 3)...)
	var s policy.Streams
	s.Of(1).Announce(0, keys(0, 0))
	_, ok := s.Of(2).Access(key(0, 1))
	assert.False(t, ok)
	_, ok = s.Of(1).Access(key(0, 0))
	assert.False(t, ok, "it is the announced one")
	assert.Equal(t, keys(0, 2, 3, 0, 1), slices.Collect(s.Victims(p)))
	ended, ok := s.Of(2).Access(key(1, 4))
	assert.True(t, ok)
	assert.Equal(t, policy.Step{Stream: 2, Used: keys(0, 1), Found: true}, ended)
	assert.Equal(t, keys(0, 1, 2, 3, 0), slices.Collect(s.Victims(p)))
	s.Drop(1)
	s.Drop(1)
	assert.Equal(t, keys(0, 0, 1, 2, 3), slices.Collect(s.Victims(p)))
	assert.True(t, s.Active(key(1, 4)))
	assert.False(t, s.Of(1).Active(key(0, 0)), "another reader of the same number")
}

// TestStreamNumbersAreBounded: numbers that no caller should give share the
// streams of others.
func TestStreamNumbersAreBounded(t *testing.T) {
	var s policy.Streams
	for _, n := range []int{-1, -policy.MaxStreams, policy.MaxStreams, 1 << 62, -1 << 63} {
		s.Of(n).Access(key(0, 1))
		assert.True(t, s.Active(key(0, 1)))
		assert.Same(t, s.Of(n), s.Of(n))
		s.Drop(n)
		assert.False(t, s.Active(key(0, 1)))
	}
	assert.Same(t, s.Of(3), s.Of(3+policy.MaxStreams))
}
