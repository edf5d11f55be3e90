package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"expertfs"

	"github.com/stretchr/testify/require"
)

// memoryGroup is a control group that a test made.
type memoryGroup struct{ dir, limit, usage string }

// refuses tells whether the kernel refuses this group a limit below what it uses.
func (g memoryGroup) refuses() bool { return g.limit == "memory.limit_in_bytes" }

// newMemoryGroup makes a group of either version, where this test may.
func newMemoryGroup(t testing.TB) memoryGroup {
	t.Helper()
	name := fmt.Sprintf("expertfs-test-%d", os.Getpid())
	for _, g := range []memoryGroup{
		{"/sys/fs/cgroup/memory/" + name, "memory.limit_in_bytes", "memory.usage_in_bytes"},
		{"/sys/fs/cgroup/" + name, "memory.high", "memory.current"}, // max would end the server at once
	} {
		if _, err := os.Stat(filepath.Dir(g.dir) + "/cgroup.procs"); err != nil || os.Mkdir(g.dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			require.Eventually(t, func() bool { return os.Remove(g.dir) == nil }, patience, poll)
		})
		if _, err := os.Stat(filepath.Join(g.dir, g.limit)); err == nil {
			return g
		}
	}
	t.Skip("no control group for memory can be made here")
	return memoryGroup{}
}

func (g memoryGroup) set(limit int64) error {
	return os.WriteFile(filepath.Join(g.dir, g.limit), []byte(strconv.FormatInt(limit, 10)), 0)
}

func (g memoryGroup) used(t testing.TB) int64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.dir, g.usage))
	require.NoError(t, err)
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	require.NoError(t, err)
	return n
}

// TestAutoBudgetGivesWay squeezes the control group of a mount to half of its tier:
// the budget follows, nothing is killed, and readers get the bytes that they got.
func TestAutoBudgetGivesWay(t *testing.T) {
	needMounts(t)
	group := newMemoryGroup(t)
	require.NoError(t, group.set(400<<20))
	model := filepath.Join(t.TempDir(), "model")
	require.Zero(t, run(t, "synth", "--layers", "2", "--hidden", "1024", "--intermediate", "1024", "--vocab", "4096", model).code)
	point := newPoint(t)
	mount := program("mount", "--log-file", filepath.Join(t.TempDir(), "log"), model, point) // auto is the default
	mount.Path, mount.Args = "/bin/sh", append([]string{"sh", "-c", `echo $$ > "$0"/cgroup.procs; exec "$@"`, group.dir}, mount.Args...)
	r := finish(t, mount)
	require.Zero(t, r.code, r.errors)

	sum := func() string {
		h := sha256.New()
		experts, err := filepath.Glob(filepath.Join(point, "layers", "*", "experts", "*"))
		require.NoError(t, err)
		require.Len(t, experts, 64)
		for _, path := range experts {
			f, err := os.Open(path)
			require.NoError(t, err)
			_, err = io.Copy(h, f)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
		return string(h.Sum(nil))
	}
	stats := func() expertfs.Stats {
		s, err := expertfs.ReadStats(point)
		require.NoError(t, err)
		return *s
	}
	want, before := sum(), stats()
	require.True(t, before.AutoBudget)
	require.Equal(t, 64, before.Cache.Resident, "all experts fit")

	// Version 1 refuses a limit below what is in use, and tells the group of it: one that
	// nobody could meet asks for room, until the one that is meant leaves the server a
	// little. A limit at the last byte in use would have the kernel end whoever takes one
	// page more, however soon the governor looks.
	began := time.Now()
	limit := group.used(t) - before.Cache.Used/2
	require.Eventually(t, func() bool {
		if group.used(t) > limit-8<<20 && group.refuses() {
			_ = group.set(limit / 4)
			return false
		}
		return group.set(limit) == nil && group.used(t) <= limit
	}, patience, poll)
	t.Logf("after %v", time.Since(began).Round(time.Millisecond))
	require.Eventually(t, func() bool { s := stats().Cache; return s.Used <= before.Cache.Used/2+s.SlotBytes }, patience, poll)
	// Until the governor has its reserve the budget goes on falling. Then it stands.
	for last, same := stats().Cache.Budget, 0; same < 5; time.Sleep(200 * time.Millisecond) {
		if now := stats().Cache.Budget; now != last {
			last, same = now, 0
		} else {
			same++
		}
	}
	require.Equal(t, want, sum())

	// A size that is set by hand stays, until auto is asked for again.
	require.NoError(t, group.set(400<<20))
	control := filepath.Join(point, ".expertfs", "ram")
	require.Error(t, os.WriteFile(control, []byte("1KiB"), 0))
	require.True(t, stats().AutoBudget, "a size that is refused changes nothing")
	require.NoError(t, os.WriteFile(control, []byte("8MiB"), 0))
	require.False(t, stats().AutoBudget)
	require.NoError(t, os.WriteFile(control, []byte("auto"), 0))
	require.True(t, stats().AutoBudget)
	require.Zero(t, run(t, "umount", point).code)
}
