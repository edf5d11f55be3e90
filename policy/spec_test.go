package policy_test

import (
	"slices"
	"testing"

	"expertfs"
	"expertfs/policy"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSpecs(t *testing.T) {
	for _, c := range []struct{ spec, err string }{
		{"lru", ""},
		{" ewma:alpha=0.1, gamma=0.5", ""},
		{"ewma:", ""},
		{policy.Default, ""},
		{"default", ""},
		{"default:size=3", policy.Default + ": parameter size is unknown"},
		{"", `no policy is called ""; there are arc, ewma,`},
		{"clock", `no policy is called "clock"; there are arc, ewma,`},
		{"lru:size=3", "lru: it has no parameters, size is unknown"},
		{"ewma:beta=1", "ewma: parameter beta is unknown; there are alpha=0.05 (0.0001 to 1), gamma=0.02 (0 to 10)"},
		{"ewma:alpha", `parameter "alpha" is not of the form key=value`},
		{"ewma:=1", `parameter "=1" is not of the form key=value`},
		{"ewma:alpha=1,alpha=1", "parameter alpha is given twice"},
		{"ewma:alpha=2", "alpha=2 must be a number from 0.0001 to 1"},
		{"ewma:alpha=NaN", "alpha=NaN must be a number"},
		{"ewma:alpha=x", "alpha=x must be a number"},
	} {
		_, err := policy.New(c.spec, small, 1)
		if c.err == "" {
			assert.NoError(t, err, c.spec)
		} else {
			assert.ErrorContains(t, err, c.err, c.spec)
		}
	}
}

func TestNamesAreSortedAndHoldTheDefault(t *testing.T) {
	names := policy.Names()
	assert.True(t, slices.IsSorted(names))
	assert.Contains(t, names, policy.Default)
}

func TestAbsurdShapes(t *testing.T) {
	for _, s := range []expertfs.Shape{
		{}, {Layers: -1, Experts: 8}, {Layers: 8}, {Layers: 1 << 40, Experts: 1 << 40}, {Layers: 4096, Experts: 4096},
	} {
		_, err := policy.New("lru", s, 1)
		assert.ErrorContains(t, err, "out of range", "%+v", s)
	}
	// The largest that are accepted are served without tables of pairs.
	for _, s := range []expertfs.Shape{{Layers: 64, Experts: 4096}, {Layers: 1, Experts: 4096, TopK: 9999}, {Layers: 4096, Experts: 1}} {
		s.ExpertBytes, s.Budget = expertBytes, 100*expertBytes
		forEach(t, func(t *testing.T, make func(expertfs.Shape) policy.Policy) {
			p := make(s)
			k := key(0, 0)
			for range 3 {
				step(p, 0, []expertfs.Key{k})
				p.Insert(k, expertBytes)
			}
			assert.Equal(t, []expertfs.Key{k}, slices.Collect(p.Victims()))
		})
	}
}

func TestCapacity(t *testing.T) {
	for _, c := range []struct {
		s    expertfs.Shape
		want int
	}{
		{expertfs.Shape{Layers: 2, Experts: 4, ExpertBytes: 10, Budget: 39}, 3},
		{expertfs.Shape{Layers: 2, Experts: 4, ExpertBytes: 10, Budget: 1 << 60}, 8},
		{expertfs.Shape{Layers: 2, Experts: 4, ExpertBytes: 0, Budget: 39}, 0},
		{expertfs.Shape{Layers: 2, Experts: 4, ExpertBytes: 10, Budget: -39}, 0},
	} {
		require.Equal(t, c.want, c.s.Capacity(), "%+v", c.s)
	}
}
