package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"expertfs/checkpoint/config"
	"expertfs/checkpoint/synth"
	"expertfs/cmd/expertfs/internal/bench"

	"github.com/stretchr/testify/require"
)

// TestBench measures on a small model, whose figures mean nothing: that all of
// them are there, that the mount is left as it was, and that nothing else is.
func TestBench(t *testing.T) {
	needMounts(t)
	c, err := config.Preset("tiny")
	require.NoError(t, err)
	c.SetLayers(2)
	c.Hidden, c.Intermediate = 96, 64
	model := filepath.Join(t.TempDir(), "model")
	require.NoError(t, synth.Write(context.Background(), model, synth.Options{Config: c, Seed: 3}))
	point := newPoint(t)
	require.Zero(t, run(t, "mount", "--ram", "4MiB", model, point).code)

	r := run(t, "bench", "--rounds", "1", "--json", point)
	require.Zero(t, r.code, r.errors)
	var result bench.Result
	require.NoError(t, json.Unmarshal([]byte(r.out), &result))
	names := make(map[string]int)
	for _, m := range result.Measures {
		require.Positive(t, m.Median, m.Name)
		if m.Limit != nil {
			require.Positive(t, m.Limit.Median, m.Name)
			require.Positive(t, m.Share, m.Name)
		}
		names[m.Name]++
	}
	require.Equal(t, 1, names["hit: open, mmap, read all, close"])
	require.Equal(t, 2, names["miss: open, mmap, read all, close"])
	require.Contains(t, r.out, "the RAM budget was lowered")
	text, err := os.ReadFile(filepath.Join(point, ".expertfs/ram"))
	require.NoError(t, err)
	require.Equal(t, "4MiB\n", string(text))
	left, err := os.ReadDir(model)
	require.NoError(t, err)
	require.Len(t, left, 2, "the plain copies are gone")
	require.Zero(t, run(t, "umount", point).code)

	require.Equal(t, exitNotMounted, run(t, "bench", point).code)
}
