//go:build invariants

package tiers

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAHandleIsReleasedOnce(t *testing.T) {
	c := newCache(t, tiny(t), 4, Options{})
	h := open(t, c, key(0, 0))
	h.Release()
	require.PanicsWithValue(t, "INVARIANT 7: a handle is released twice", h.Release)
}
