package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"expertfs"
	"expertfs/scripts/browser"

	"github.com/stretchr/testify/require"
)

// benchMount mounts a checkpoint of many small experts, with a page, until the
// benchmark ends.
func benchMount(b *testing.B, layers, experts int) (point, url string) {
	b.Helper()
	needMounts(b)
	dir := b.TempDir()
	model := filepath.Join(dir, "model")
	r := run(b, "synth", "--layers", strconv.Itoa(layers), "--experts", strconv.Itoa(experts), "--hidden", "64", "--intermediate", "32", model)
	require.Zero(b, r.code, r.errors)
	point = newPoint(b)
	r = run(b, "mount", "--ram", "64MiB", "--http", "127.0.0.1:0", "--log-file", filepath.Join(dir, "log"), model, point)
	require.Zero(b, r.code, r.errors)
	_, url, _ = strings.Cut(r.out, "\npage: ")
	b.Cleanup(func() { require.Zero(b, run(b, "umount", point).code) })
	return point, strings.TrimSpace(url)
}

// BenchmarkFlash is the time from a use of an expert to its flash on the page, as a
// browser has painted it and said so.
func BenchmarkFlash(b *testing.B) {
	point, url := benchMount(b, 36, 128)
	p := browser.Open(b)
	p.Size(1360, 900)
	p.Light()
	p.Visit(url)
	p.Await(`document.getElementById("link").textContent === "live"`)
	names := expertfs.Names{Layers: 36, Experts: 128}
	var times []time.Duration
	for n := 0; b.Loop(); n++ {
		k := expertfs.NewKey(n%names.Layers, (7*n)%names.Experts)
		// Whether the middle of the cell, by the labels' and cells' sizes, has the colour
		// of uses: more red than green, as no other has in the light.
		flashes := fmt.Sprintf(`(() => {
			const c = document.querySelector("#grid canvas"), w = (c.clientWidth - 30) / %d;
			const h = (c.clientHeight - 16) / %d, ratio = c.width / c.clientWidth;
			const [r, g] = c.getContext("2d").getImageData((30 + %d.4 * w) * ratio, (16 + %d.4 * h) * ratio, 1, 1).data;
			return r > g + 60;
		})()`, names.Experts, names.Layers, k.Expert, k.Layer)
		require.False(b, browser.Eval[bool](p, flashes))
		time.Sleep(time.Duration(n*37%101) * time.Millisecond) // at any moment between two looks
		began := time.Now()
		f, err := os.Open(filepath.Join(point, names.ExpertPath(k)))
		require.NoError(b, err)
		for !browser.Eval[bool](p, flashes) {
		}
		times = append(times, time.Since(began))
		require.NoError(b, f.Close())
	}
	slices.Sort(times)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(times[len(times)/2].Milliseconds()), "ms-median")
	b.ReportMetric(float64(times[len(times)-1].Milliseconds()), "ms-most")
}

// cpuOf is how much time a process has computed, by the scheduler's account.
func cpuOf(b *testing.B, pid int) time.Duration {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	require.NoError(b, err)
	var sum time.Duration
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // it has ended
		}
		n, err := strconv.ParseInt(string(bytes.Fields(text)[0]), 10, 64)
		require.NoError(b, err)
		sum += time.Duration(n)
	}
	return sum
}

// BenchmarkPage is the share of a core that one open page costs the server of 36 layers
// of 128 experts, while nothing is used and while ten tokens a second are: what it
// computes with the page and without, each for five seconds, three times in turn.
func BenchmarkPage(b *testing.B) {
	point, url := benchMount(b, 36, 128)
	s, err := expertfs.ReadStats(point)
	require.NoError(b, err)
	const measured, turns = 5 * time.Second, 3
	share := func() float64 {
		time.Sleep(time.Second) // until it is as it stays
		before := cpuOf(b, s.PID)
		time.Sleep(measured)
		return 100 * float64(cpuOf(b, s.PID)-before) / float64(measured)
	}
	for _, used := range []bool{false, true} {
		b.Run(fmt.Sprintf("used=%v", used), func(b *testing.B) {
			stop := make(chan struct{})
			defer close(stop)
			if used {
				go useExperts(point, stop)
				time.Sleep(5 * time.Second) // until all is in RAM
			}
			var with, without float64
			for b.Loop() {
				with, without = 0, 0
				for range turns {
					without += share() / turns
					answer, err := http.Get(url + "events")
					require.NoError(b, err)
					go func() { _, _ = io.Copy(io.Discard, answer.Body) }()
					with += share() / turns
					require.NoError(b, answer.Body.Close())
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(without, "%-without")
			b.ReportMetric(with, "%-with")
		})
	}
}

// useExperts announces four experts of each layer, ten times a second, until stop.
func useExperts(point string, stop <-chan struct{}) {
	m, err := expertfs.Open(point)
	if err != nil {
		return
	}
	defer m.Close()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		for layer := range m.Names().Layers {
			var keys []expertfs.Key
			for i := range 4 {
				keys = append(keys, expertfs.NewKey(layer, (5*n+31*i)%m.Names().Experts))
			}
			if m.Hint(expertfs.Step, keys...) != nil {
				return
			}
		}
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

// BenchmarkMount is the time from the command to a mount that serves, with a budget that
// it chooses. EXPERTFS_CHECKPOINT names the checkpoint: `expertfs synth --preset 20b
// --layers 6` makes one of real sizes.
func BenchmarkMount(b *testing.B) {
	needMounts(b)
	checkpoint := os.Getenv("EXPERTFS_CHECKPOINT")
	if checkpoint == "" {
		checkpoint = "embed:tiny"
	}
	log := filepath.Join(b.TempDir(), "log")
	point := newPoint(b)
	var sum time.Duration
	n := 0
	for b.Loop() {
		began := time.Now()
		r := run(b, "mount", "--log-file", log, checkpoint, point)
		sum += time.Since(began)
		n++
		require.Zero(b, r.code, r.errors)
		require.Zero(b, run(b, "umount", point).code)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(sum.Milliseconds())/float64(n), "ms-to-ready")
}

// BenchmarkSqueeze is the time in which a budget that follows memory has given half of
// the tier back, after the control group was told to.
func BenchmarkSqueeze(b *testing.B) {
	needMounts(b)
	group := newMemoryGroup(b)
	model := filepath.Join(b.TempDir(), "model")
	require.Zero(b, run(b, "synth", "--layers", "2", "--hidden", "1024", "--intermediate", "1024", "--vocab", "4096", model).code)
	var most time.Duration
	for b.Loop() {
		require.NoError(b, group.set(400<<20))
		point := newPoint(b)
		mount := program("mount", "--log-file", filepath.Join(b.TempDir(), "log"), model, point)
		mount.Path, mount.Args = "/bin/sh", append([]string{"sh", "-c", `echo $$ > "$0"/cgroup.procs; exec "$@"`, group.dir}, mount.Args...)
		r := finish(b, mount)
		require.Zero(b, r.code, r.errors)
		experts, err := filepath.Glob(filepath.Join(point, "layers", "*", "experts", "*"))
		require.NoError(b, err)
		for _, path := range experts {
			_, err := os.ReadFile(path)
			require.NoError(b, err)
		}
		s, err := expertfs.ReadStats(point)
		require.NoError(b, err)
		limit, half := group.used(b)-s.Cache.Used/2, s.Cache.Used/2+s.Cache.SlotBytes
		began := time.Now()
		for group.set(limit) != nil || group.used(b) > limit {
			time.Sleep(poll)
		}
		for {
			s, err := expertfs.ReadStats(point)
			require.NoError(b, err)
			if s.Cache.Used <= half {
				break
			}
			time.Sleep(poll)
		}
		most = max(most, time.Since(began))
		require.NoError(b, group.set(400<<20))
		require.Zero(b, run(b, "umount", point).code)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(most.Milliseconds()), "ms-most")
}
