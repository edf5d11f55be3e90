package policy_test

import (
	"slices"
	"testing"

	"expertfs/policy"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

// emitted is a step as Steps gives it.
type emitted struct {
	layer int
	used  []policy.Key
	found bool
}

func recordSteps() (*policy.Steps, *[]emitted) {
	var got []emitted
	s := &policy.Steps{}
	s.Emit = func(layer int, used []policy.Key) {
		got = append(got, emitted{layer, slices.Clone(used), s.Found()})
	}
	return s, &got
}

func access(s *policy.Steps, ks ...policy.Key) {
	for _, k := range ks {
		s.Access(k)
	}
}

func TestStepsAreFoundInAccesses(t *testing.T) {
	s, got := recordSteps()
	access(s, keys(0, 1, 2)...)
	assert.Empty(t, *got, "the group is not known to be over")
	access(s, keys(1, 3, 4)...)
	access(s, keys(0, 5)...)
	s.Flush()
	s.Flush()
	assert.Equal(t, []emitted{{0, keys(0, 1, 2), true}, {1, keys(1, 3, 4), true}, {0, keys(0, 5), true}}, *got)
}

func TestReopeningIsNoStepButReturningIs(t *testing.T) {
	s, got := recordSteps()
	access(s, keys(0, 1, 1, 1, 2, 2, 1)...)
	s.Flush()
	assert.Equal(t, []emitted{{0, keys(0, 1, 2), true}, {0, keys(0, 1), true}}, *got)
}

func TestAnnouncedStepsAreNotFoundAgain(t *testing.T) {
	s, got := recordSteps()
	s.Announce(0, keys(0, 1, 2))
	access(s, keys(0, 1, 2, 1, 2)...)
	s.Announce(1, keys(1, 3))
	access(s, keys(1, 3)...)
	s.Flush()
	assert.Equal(t, []emitted{{0, keys(0, 1, 2), false}, {1, keys(1, 3), false}}, *got)
}

func TestAnnouncingEndsAFoundGroup(t *testing.T) {
	s, got := recordSteps()
	access(s, keys(0, 1)...)
	s.Announce(1, keys(1, 3))
	access(s, keys(1, 3)...)
	assert.Equal(t, []emitted{{0, keys(0, 1), true}, {1, keys(1, 3), false}}, *got)
}

func TestReaderMayCeaseToAnnounce(t *testing.T) {
	s, got := recordSteps()
	s.Announce(0, keys(0, 1))
	for range 3 {
		access(s, keys(0, 1)...)
		access(s, keys(1, 2)...)
	}
	s.Flush()
	last := (*got)[len(*got)-2:]
	assert.Equal(t, []emitted{{0, keys(0, 1), true}, {1, keys(1, 2), true}}, last)
}

func TestKeysOfTheStepInProgressGoLast(t *testing.T) {
	p, err := policy.New("lru", small, 1)
	assert.NoError(t, err)
	for e := range 4 {
		p.Insert(key(0, e), expertBytes)
	}
	s, _ := recordSteps()
	s.Announce(0, keys(0, 0, 2))
	assert.Equal(t, keys(0, 1, 3, 0, 2), slices.Collect(s.Victims(p)))
	access(s, keys(0, 1)...)
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
		s, got := recordSteps()
		var want, have []policy.Key
		for range rapid.IntRange(0, 50).Draw(t, "n") {
			k := key(rapid.IntRange(0, 1).Draw(t, "layer"), rapid.IntRange(0, 2).Draw(t, "expert"))
			s.Access(k)
			if len(want) == 0 || want[len(want)-1] != k {
				want = append(want, k)
			}
		}
		s.Flush()
		for _, e := range *got {
			for _, k := range e.used {
				if int(k.Layer) != e.layer {
					t.Fatalf("%v in a step of layer %d", k, e.layer)
				}
			}
			have = append(have, e.used...)
		}
		if !slices.Equal(want, have) {
			t.Fatalf("accessed %v, stepped %v", want, have)
		}
	})
}
