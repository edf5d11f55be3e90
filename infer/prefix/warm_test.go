package prefix

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWarm: after it the texts used last are loaded without a read, as far as there
// is room for them.
func TestWarm(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, nil)
	old, late := count(0, 40), count(100, 40)
	keep(s, old, 20, 40)
	keep(s, late, 20, 40)
	require.NoError(t, s.Close(context.Background()))
	bytes := testShape.Bytes(0, 20) + testShape.Bytes(20, 40)

	s = openStore(t, dir, func(o *Options) { o.RAM = testShape.Memory(0, 20) + testShape.Memory(20, 40) })
	s.Warm(t.Context())
	require.Equal(t, bytes, s.Stats().Read)
	requireText(t, s, late, 40)
	require.Equal(t, bytes, s.Stats().Read)
	requireText(t, s, old, 40)
	require.Equal(t, 2*bytes, s.Stats().Read)

	s = openStore(t, dir, nil)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s.Warm(ended)
	require.Zero(t, s.Stats().Read)
	s.Warm(t.Context())
	require.Equal(t, 2*bytes, s.Stats().Read)
	openStore(t, "", nil).Warm(t.Context())
}

// TestLatest: the text used last is known after a restart, to its end, and with the
// tokens of its own where it has left another in the midst of a segment.
func TestLatest(t *testing.T) {
	require.Nil(t, openStore(t, "", nil).Latest())
	dir := t.TempDir()
	s := openStore(t, dir, nil)
	long := count(0, 90)
	branch := append(count(0, 33), count(500, 20)...)
	keep(s, long, 30, 36, 90) // the second is as short as a window, and can be left anywhere
	keep(s, branch, 53)
	require.Equal(t, branch, s.Latest())
	s.reach(long, 90)
	require.Equal(t, long, s.Latest())
	s.reach(branch, 53)
	require.NoError(t, s.Close(context.Background()))
	require.Equal(t, branch, openStore(t, dir, nil).Latest())
}
