package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadDriveStats(t *testing.T) {
	dir := t.TempDir()
	plain, err := readDriveStats(dir)
	require.NoError(t, err)
	_, ok := plain.hitRate()
	require.False(t, ok, "nobody counts the hits of a plain folder")

	path := filepath.Join(dir, ".expertfs", "stats.json")
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o755))
	report := func(text string) (driveStats, error) {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return readDriveStats(dir)
	}
	before, err := report(`{"cache": {"hits": 1, "misses": 5, "joins": 0, "bytes_read": 100}}`)
	require.NoError(t, err)
	after, err := report(`{"cache": {"hits": 7, "misses": 6, "joins": 1, "bytes_read": 400}}`)
	require.NoError(t, err)
	done := after.sub(before)
	require.Equal(t, driveStats{mounted: true, hits: 6, misses: 2, bytesRead: 300}, done)
	rate, ok := done.hitRate()
	require.True(t, ok)
	require.Equal(t, 0.75, rate)
	_, err = report(`{`)
	require.ErrorContains(t, err, path)
}
