package main

import (
	"os"
	"path/filepath"
	"strings"
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

	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	_, err = readDriveStats(dir)
	require.ErrorContains(t, err, path)
}

func TestWayOfExperts(t *testing.T) {
	for want, x := range map[string]struct {
		s     driveStats
		files int64
	}{
		"":                             {driveStats{}, 3},
		"by the mount's socket":        {driveStats{mounted: true, mechanism: expertfs.Direct}, 0},
		"by passthrough":               {driveStats{mounted: true, mechanism: expertfs.Passthrough, noSocket: "no room"}, 0},
		"passthrough, without a copy":  {driveStats{mounted: true, mechanism: expertfs.Passthrough}, 1},
		"socket cannot be reached":     {driveStats{mounted: true, mechanism: expertfs.Direct}, 1},
		"no socket for descriptors: a": {driveStats{mounted: true, mechanism: expertfs.Cached, noSocket: "a"}, 0},
		"and no passthrough: not root": {driveStats{mounted: true, mechanism: expertfs.Direct, why: "not root"}, 1},
		"sudo expertfs mount -o allow_other --ram 3MiB /ck /mnt (passthrough needs kernel 6.9)": {
			driveStats{mounted: true, mechanism: expertfs.Direct, checkpoint: "/ck", mountpoint: "/mnt", budget: 3 << 20}, 1},
	} {
		how, slow := x.s.way(x.files)
		require.Contains(t, how, want)
		require.Equal(t, strings.Contains(how, "copies experts"), slow)
		require.Equal(t, x.s.mounted, how != "")
	}
}
