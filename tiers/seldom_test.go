package tiers

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSeldom: what takes a millisecond is found once in ten.
func TestSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Seldom[int]
		found := 0
		takes := time.Millisecond
		find := func() int { time.Sleep(takes); found++; return found }
		require.Equal(t, 1, s.Get(find))
		time.Sleep(8 * time.Millisecond)
		require.Equal(t, 1, s.Get(find))
		time.Sleep(time.Millisecond)
		require.Equal(t, 2, s.Get(find))
		time.Sleep(9 * time.Millisecond)
		takes = time.Hour
		require.Equal(t, 3, s.Get(find))
		time.Sleep(seldomMaxAge)
		require.Equal(t, 4, s.Get(find))
	})
}
