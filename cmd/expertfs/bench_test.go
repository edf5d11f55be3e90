package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"expertfs"
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
	require.Zero(t, run(t, "mount", "--ram", "auto:4MiB-4MiB", model, point).code)

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
			require.Equal(t, strings.HasPrefix(m.Name, "miss"), m.Limit.Shape != nil, m.Name)
		}
		if m.Name == "hit: open, close" {
			require.Equal(t, "round trip between two processes", m.Limit.Name)
		}
		names[m.Name]++
	}
	for _, use := range []string{"open, mmap, read all, close", "open, pread, close", "open, pread by 1 MiB, close"} {
		require.Equal(t, 1, names["hit: "+use], use)
		require.Equal(t, 1, names["plain file in page cache: "+use], use)
	}
	require.Equal(t, 1, names["hit: open, close"])
	require.Equal(t, 1, names["hit by the socket: open, close"])
	require.Equal(t, 1, names["hit by the socket: open, mmap, read all, close"])
	require.Equal(t, 2, names["miss: open, close"])
	require.Equal(t, 2, names["miss: open, mmap, read all, close"])
	require.Contains(t, r.out, "the RAM budget was lowered")
	text, err := os.ReadFile(filepath.Join(point, ".expertfs/ram"))
	require.NoError(t, err)
	require.Equal(t, "4MiB\n", string(text))
	stats, err := expertfs.ReadStats(point)
	require.NoError(t, err)
	require.True(t, stats.AutoBudget, "the budget follows the memory again")
	left, err := os.ReadDir(model)
	require.NoError(t, err)
	require.Len(t, left, 2, "the plain copies are gone")
	require.Zero(t, run(t, "umount", point).code)

	require.Equal(t, exitNotMounted, run(t, "bench", point).code)
}

// TestBenchLoadsAgainstThePolicy measures hits where the policy holds other
// experts dearer than any that are used for the first time.
func TestBenchLoadsAgainstThePolicy(t *testing.T) {
	point := mountTiny(t, "--ram", "2MiB", "--policy", "lfu")
	for range 20 {
		for e := range 32 {
			access(t, point, fmt.Sprintf("00/%02d", e), fmt.Sprintf("01/%02d", e%16))
		}
	}
	r := run(t, "bench", "--rounds", "1", "--json", point)
	require.Zero(t, r.code, r.errors)
	require.Contains(t, r.out, "loaded under the policy lru, as lfu would rather keep others")
	text, err := os.ReadFile(filepath.Join(point, ".expertfs/policy"))
	require.NoError(t, err)
	require.Equal(t, "lfu\n", string(text))
	require.Zero(t, run(t, "umount", point).code)
}

// TestBenchRouting replays a trace whose hits can be counted by hand.
func TestBenchRouting(t *testing.T) {
	point := mountTiny(t)
	trace := filepath.Join(t.TempDir(), "trace.csv")
	require.NoError(t, os.WriteFile(trace, []byte("# two tokens; layer 9 is of another model\n"+
		"0,0,1,2\n0,1,3,4\n0,9,1,2\n1,0,2,5\n1,1,4,3\n2,0,7,8\n"), 0o644))
	r := run(t, "bench", "--routing", trace, "--tokens", "2", "--json", point)
	require.Zero(t, r.code, r.errors)
	var got bench.Routing
	require.NoError(t, json.Unmarshal([]byte(r.out), &got))
	require.Equal(t, 2, got.Tokens)
	require.Equal(t, 8, got.Uses)
	require.Equal(t, 3.0/8, got.HitRate)
	require.Positive(t, got.PerToken)
	require.Contains(t, run(t, "bench", "--routing", trace, point).out, "3 tokens of 4 layers, 10 uses of experts")

	require.NoError(t, os.WriteFile(trace, []byte("0,0,32\n"), 0o644))
	require.NotZero(t, run(t, "bench", "--routing", trace, point).code)
	require.NoError(t, os.WriteFile(trace, []byte("0,9,1\n"), 0o644))
	require.NotZero(t, run(t, "bench", "--routing", trace, point).code)
	require.Zero(t, run(t, "umount", point).code)
}
