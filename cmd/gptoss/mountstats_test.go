package main

import (
	"os"
	"path/filepath"
	"testing"

	"expertfs"

	"github.com/stretchr/testify/require"
)

// A mount's own counters are used where there are some.
func TestDriveStatsOfAMount(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, ".expertfs", "stats.json")
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	report := `{"version": "x", "cache": {"hits": 30, "misses": 8, "joins": 2, "bytes_read": 1000}}`
	require.NoError(t, os.WriteFile(path, []byte(report), 0o600))
	s, err := readDriveStats(dir)
	require.NoError(t, err)
	rate, ok := s.hitRate()
	require.True(t, ok)
	require.Equal(t, 0.8, rate)
	s = s.sub(driveStats{mounted: true, uses: expertfs.Uses{Hits: 30, Misses: 8, Joins: 2}, bytesRead: 400})
	require.EqualValues(t, 600, s.bytesRead)
	_, ok = s.hitRate()
	require.False(t, ok, "nothing was used")

	require.Empty(t, driveStats{}.slowWay(), "a plain folder")
	require.Empty(t, driveStats{mounted: true, mechanism: expertfs.Passthrough, noSocket: "no room"}.slowWay())
	slow := driveStats{mounted: true, mechanism: expertfs.Direct, why: "not root", noSocket: "no room"}
	require.Contains(t, slow.slowWay(), "no socket for descriptors: no room; and no passthrough: not root")
	slow.noSocket = ""
	require.Contains(t, slow.slowWay(), "cannot be reached")

	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	_, err = readDriveStats(dir)
	require.ErrorContains(t, err, path)
}
