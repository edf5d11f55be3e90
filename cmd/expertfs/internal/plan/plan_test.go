package plan

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHitRate(t *testing.T) {
	require.Zero(t, HitRate(0))
	require.InDelta(t, 0.734, HitRate(0.25), 1e-9)
	require.InDelta(t, (0.734+0.860)/2, HitRate(0.3125), 1e-9)
	require.EqualValues(t, 1, HitRate(1))
	require.EqualValues(t, 1, HitRate(7))
	last := 0.0
	for share := 0.0; share <= 1; share += 0.01 {
		require.GreaterOrEqual(t, HitRate(share), last)
		last = HitRate(share)
	}
}

// TestExpect goes through the arithmetic by hand: 1 GB of experts a token, 1 GB of
// dense weights, a memory of 10 GB/s of which decoding gets 8, a drive of 1 GB/s.
func TestExpect(t *testing.T) {
	m := Machine{Memory: 16e9, Free: 9e9, MemorySpeed: 10e9, DriveSpeed: 1e9}
	model := Model{Experts: 8e9, Token: 1e9, Dense: 1e9, Least: 1e8}
	all := Expect(m, model, 8e9)
	require.Equal(t, Row{Budget: 8e9, Share: 1, HitRate: 1, Least: 4, Most: 4, Fits: true}, all)
	half := Expect(m, model, 4e9)
	require.InDelta(t, 66e6, half.Read, 1e3)
	require.InDelta(t, 1/(0.25+0.066), half.Least, 1e-3)
	require.InDelta(t, 4, half.Most, 1e-9)
	m.DriveSpeed = 0
	require.Zero(t, Expect(m, model, 4e9).Least, "nobody knows the drive")
	require.False(t, Expect(m, model, 9e9).Fits)
	rows := Table(m, model, 3e9)
	require.Len(t, rows, 6)
	require.EqualValues(t, 3e9, rows[2].Budget)
}
