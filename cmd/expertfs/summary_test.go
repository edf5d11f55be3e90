package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"expertfs"
	"expertfs/fsys"

	"github.com/stretchr/testify/require"
)

// busyMount are the figures of a mount that much could be done for.
func busyMount() *expertfs.Stats {
	s := &expertfs.Stats{
		PID: 7, Mountpoint: "/mnt/my model", Checkpoint: "/data/20b", Model: "20b", Layers: 2, Experts: 8, ExpertSize: 1 << 20,
		Mechanism: expertfs.Direct, Why: fsys.NeedsPrivilege, Seconds: 61.5,
		Readers: []expertfs.ReaderStats{{PID: 9, Name: "gptoss", Uses: expertfs.Uses{Hits: 3, Misses: 1}, Tokens: 1234}, {}},
	}
	c := &s.Cache
	c.Policy, c.SlotBytes, c.Budget, c.Used, c.Resident = "lru", 1<<20, 4<<20, 2<<20, 2
	c.Uses, c.Evictions = expertfs.Uses{Hits: 1500, Misses: 500}, 498
	c.Shadows = []expertfs.ShadowStats{{Policy: "random", HitRate: .5}, {Policy: "forecast", HitRate: .9}}
	return s
}

func TestSummary(t *testing.T) {
	summary := func(s *expertfs.Stats) string {
		var b strings.Builder
		require.NoError(t, printSummary(&b, s))
		require.LessOrEqual(t, strings.Count(b.String(), "\n"), 20, "a page at most")
		return b.String()
	}
	s := busyMount()
	require.Equal(t, `mount    /mnt/my model, up 1m1s, pid 7
model    20b from /data/20b: 2 layers of 8 experts, 1.0 MiB each
reads    copies by the daemon (direct: FUSE passthrough needs CAP_SYS_ADMIN); programs that open experts by .expertfs/socket, as gptoss does, get the memory itself
RAM      2.0 MiB of 4.0 MiB, 2 of 16 experts; 0 B of dense weights beside
hits     75.0% of 2,000 uses; 0 B read from the drive, readers waited 0s in all
policy   lru; 50.0% had it been random, 90.0% had it been forecast
readers  gptoss (pid 9): 75.0% of 4 uses were hits, 1,234 tokens, 0 B mapped
         several that cannot be told apart: - of 0 uses were hits, 0 tokens, 0 B mapped
faster   more RAM, as 25% of the uses wait for the drive: echo 8MiB > '/mnt/my model/.expertfs/ram'; expertfs plan /data/20b tells what to expect
         the policy forecast, with which 90.0% would have been hits: echo forecast > '/mnt/my model/.expertfs/policy'
         reads by the kernel, for programs that read files: expertfs umount '/mnt/my model'; sudo expertfs mount -o allow_other --ram 4MiB --policy lru /data/20b '/mnt/my model'
`, summary(s))

	idle := &expertfs.Stats{Mountpoint: "/m", Mechanism: expertfs.Passthrough, AutoBudget: true}
	text := summary(idle)
	for _, want := range []string{"passthrough: the kernel reads from RAM\n", "(auto: it follows", "no expert was used yet", "readers  none", "nothing that is seen here"} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "attention")

	idle.Checkpoint, idle.Mountpoint = "/two\nlines\x1b[2J", "/m\n"
	text = summary(idle)
	require.Contains(t, text, `from "/two\nlines\x1b[2J": `)
	require.Contains(t, text, `mount    "/m\n", up`)
}

// TestAdvice: what would not help is not proposed.
func TestAdvice(t *testing.T) {
	told := func(change func(*expertfs.Stats)) string {
		s := busyMount()
		change(s)
		return strings.Join(advice(s), "\n")
	}
	require.NotContains(t, told(func(s *expertfs.Stats) { s.Cache.Budget = 16 << 20 }), "more RAM")
	require.Contains(t, told(func(s *expertfs.Stats) { s.Cache.Budget = 9 << 20 }), "echo 16MiB >", "no more than all experts")
	require.NotContains(t, told(func(s *expertfs.Stats) { s.Cache.Uses.Hits = 1 << 20 }), "more RAM")
	require.NotContains(t, told(func(s *expertfs.Stats) { s.Cache.Evictions = 0 }), "more RAM", "it has only begun to fill")
	require.NotContains(t, told(func(s *expertfs.Stats) { s.Cache.Uses = expertfs.Uses{} }), "policy forecast")
	require.Contains(t, told(func(s *expertfs.Stats) { s.AutoBudget = true }), "free some, and the budget follows")
	require.NotContains(t, told(func(s *expertfs.Stats) { s.AutoBudget = true }), "--ram")
	require.Contains(t, told(func(s *expertfs.Stats) { s.Cache.Crowded = 3 }), "fewer readers, or more RAM: readers held all of it, and 3 opens")
	require.NotContains(t, told(func(s *expertfs.Stats) { s.Why = "an old kernel" }), "sudo")
	network := &expertfs.SourceStats{CacheDir: "/cache"}
	require.Contains(t, told(func(s *expertfs.Stats) { s.Source = network }), "expertfs warm '/mnt/my model'")
	full := &expertfs.SourceStats{CacheDir: "/cache", Complete: true}
	require.NotContains(t, told(func(s *expertfs.Stats) { s.Source = full }), "warm")
}

func TestComplaints(t *testing.T) {
	s := &expertfs.Stats{
		Records: []expertfs.Record{{Option: "trace", File: "/t", Lost: "it has ended"}, {Option: "heat", File: "/h"}},
		Copies:  []expertfs.CopyStats{{Dir: "/second", LastError: "EIO"}, {Dir: "/first", Serves: true}},
		Source:  &expertfs.SourceStats{NotKept: "the drive is full"}, Unlogged: "there is no syslog here",
	}
	s.Cache.Errors = map[string]int64{"EIO": 2, "ENOSPC": 1}
	require.Equal(t, []string{"--trace /t: it has ended", "copy /second fails and is left for a while: EIO",
		"errors of loads: EIO 2, ENOSPC 1; the log has each, with its file or what was short", "what is fetched is not kept: the drive is full", "there is no syslog here"}, complaints(s))
}

// TestStatusOfOneMount is the summary of a real one, and what it proposes works.
func TestStatusOfOneMount(t *testing.T) {
	point := mountTiny(t, "--no-passthrough", "--ram", "640KiB", "--policy", "lru")
	access(t, point, "00/01", "00/02")
	require.NotContains(t, run(t, "status", point).out, "more RAM")
	for expert := 3; expert < 23; expert++ {
		access(t, point, fmt.Sprintf("00/%02d", expert))
	}
	r := run(t, "status", point)
	require.Zero(t, r.code, r.errors)
	require.Contains(t, r.out, "mount    "+point+", up ")
	require.Contains(t, r.out, "reads    copies by the daemon (direct: asked for)")
	require.Contains(t, r.out, "0.0% of 22 uses")
	require.Regexp(t, "echo 2MiB > '?"+regexp.QuoteMeta(filepath.Join(point, ".expertfs/ram")), r.out, "twice the budget, in whole MiB")
	require.NotContains(t, r.out, "expertfs_misses_total")
	require.Contains(t, run(t, "status", "--all", point).out, "expertfs_misses_total 22\n")
	require.Equal(t, exitUsage, run(t, "status", "--all").code)
	require.Zero(t, run(t, "umount", point).code)
}
