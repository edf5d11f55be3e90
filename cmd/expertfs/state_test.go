package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"expertfs"
	"expertfs/fsys/mountpoint"

	"github.com/stretchr/testify/require"
)

// access opens experts of the embedded model.
func access(t *testing.T, point string, names ...string) {
	t.Helper()
	for _, name := range names {
		var layer, expert int
		_, err := fmt.Sscanf(name, "%d/%d", &layer, &expert)
		require.NoError(t, err)
		_, err = os.ReadFile(filepath.Join(point, tinyNames.ExpertPath(expertfs.NewKey(layer, expert))))
		require.NoError(t, err)
	}
}

func TestTrace(t *testing.T) {
	for _, name := range []string{"trace.csv", "trace.csv.gz"} {
		file := filepath.Join(t.TempDir(), name)
		point := mountTiny(t, "--trace", file)
		access(t, point, "00/01", "00/02", "01/03", "00/04", "02/05")
		require.NoError(t, os.WriteFile(filepath.Join(point, ".expertfs/hints"), []byte("step 3 7 8\n"), 0))
		require.Equal(t, result{0, "", ""}, run(t, "umount", point))

		steps, meta, err := expertfs.LoadTraces(file)
		require.NoError(t, err)
		require.Equal(t, expertfs.TraceMeta{Layers: 4, Experts: 32, TopK: 4, ExpertBytes: 34240}, meta)
		key := func(l, e uint16) expertfs.Key { return expertfs.Key{Layer: l, Expert: e} }
		require.Equal(t, []expertfs.TraceStep{
			{Token: 0, Layer: 0, Used: []expertfs.Key{key(0, 1), key(0, 2)}, Opened: true},
			{Token: 0, Layer: 1, Used: []expertfs.Key{key(1, 3)}, Opened: true},
			{Token: 1, Layer: 0, Used: []expertfs.Key{key(0, 4)}, Opened: true},
			{Token: 1, Layer: 2, Used: []expertfs.Key{key(2, 5)}, Opened: true},
			{Token: 1, Layer: 3, Used: []expertfs.Key{key(3, 7), key(3, 8)}},
			{End: true}, // of this process
		}, steps)
	}
}

// TestTraceOutlivesACrash: a compressed trace holds its steps while the mount
// goes on, and after its server was killed.
func TestTraceOutlivesACrash(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trace.csv.gz")
	point := mountTiny(t, "--trace", file)
	access(t, point, "00/01", "01/02", "02/03")
	written := func() bool {
		steps, _, err := expertfs.LoadTraces(file)
		return err == nil && len(steps) == 2 // the third is not known to be over
	}
	require.Eventually(t, written, patience, poll)
	require.NoError(t, syscall.Kill(report(t, point).PID, syscall.SIGKILL))
	require.Eventually(t, func() bool { return mountpoint.Dead(point) }, patience, poll)
	require.True(t, written())
	require.Equal(t, result{0, "", ""}, run(t, "umount", point))
}

// TestFilesOfOthersAreSafe: neither --trace nor --heat destroys a file that is
// not theirs, whether or not the mount succeeds.
func TestFilesOfOthersAreSafe(t *testing.T) {
	needMounts(t)
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine")
	content := bytes.Repeat([]byte("precious "), 1000)
	require.NoError(t, os.WriteFile(mine, content, 0o644))
	for _, flag := range []string{"--trace", "--heat"} {
		for _, model := range []string{"embed:tiny", filepath.Join(dir, "no-such-model")} {
			r := run(t, "mount", "--ram", "4MiB", flag, mine, model, newPoint(t))
			if model == "embed:tiny" {
				require.Equal(t, exitNoOverwrite, r.code, r.errors)
				require.Contains(t, r.errors, mine)
			} else {
				require.Equal(t, exitNoCheckpoint, r.code, r.errors)
			}
			got, err := os.ReadFile(mine)
			require.NoError(t, err)
			require.Equal(t, content, got)
		}
	}
	// A mount that fails leaves no files of its own either.
	steps, learned := filepath.Join(dir, "trace"), filepath.Join(dir, "heat")
	r := run(t, "mount", "--ram", "1KiB", "--trace", steps, "--heat", learned, "embed:tiny", newPoint(t))
	require.Equal(t, exitSmallBudget, r.code, r.errors)
	for _, file := range []string{steps, learned} {
		_, err := os.Stat(file)
		require.ErrorIs(t, err, os.ErrNotExist)
	}
	r = run(t, "mount", "--heat", filepath.Join(dir, "no-such-folder", "heat"), "embed:tiny", newPoint(t))
	require.NotZero(t, r.code)
}

func TestShadowPolicies(t *testing.T) {
	point := mountTiny(t, "--shadow", "lru", "--shadow", "fifo")
	for range 3 {
		access(t, point, "00/01", "00/02", "00/03", "00/04")
	}
	want := []expertfs.ShadowStats{
		{Policy: "lru", Hits: 8, Accesses: 12, HitRate: 8.0 / 12}, {Policy: "fifo", Hits: 8, Accesses: 12, HitRate: 8.0 / 12},
	}
	// The shadows follow what happens, and nobody waits for them.
	require.Eventually(t, func() bool { return slices.Equal(want, report(t, point).Cache.Shadows) }, patience, poll)
	text := run(t, "status", "--all", point).out
	require.Contains(t, text, "\nexpertfs_shadow_hits_total{policy=\"fifo\"} 8\n")
	require.Contains(t, text, "\n# hit rate had the policy been lru: 66.7%\n")
	require.Equal(t, result{0, "", ""}, run(t, "umount", point))
	require.Equal(t, exitUsage, run(t, "mount", "--shadow", "no-such-policy", "embed:tiny", point).code)
}
