package fsys

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"expertfs"

	"github.com/dustin/go-humanize"
)

// statsText is the content of .expertfs/stats: comments for people, then lines
// "name value" in the text format of Prometheus. Names never change meaning; new
// ones may come.
func statsText(s expertfs.Stats) []byte {
	var b bytes.Buffer
	summary(&b, s)
	for _, m := range metrics(s) {
		fmt.Fprintf(&b, "expertfs_%s %v\n", m.name, m.value)
	}
	for _, errno := range slices.Sorted(maps.Keys(s.Cache.Errors)) {
		fmt.Fprintf(&b, "expertfs_load_errors_total{errno=%q} %d\n", errno, s.Cache.Errors[errno])
	}
	for _, g := range s.Cache.Shadows {
		fmt.Fprintf(&b, "expertfs_shadow_hits_total{policy=%q} %d\n", g.Policy, g.Hits)
		fmt.Fprintf(&b, "expertfs_shadow_accesses_total{policy=%q} %d\n", g.Policy, g.Accesses)
	}
	latencies(&b, s.Cache.Latency)
	return b.Bytes()
}

// summary writes what cannot be a number, and the figures that are looked for
// first.
func summary(b *bytes.Buffer, s expertfs.Stats) {
	c := s.Cache
	if last := s.LastRefused; last != nil {
		fmt.Fprintf(b, "# last refused: %s: %s (%s)\n", last.File, last.Reason, last.Time.Format(time.RFC3339))
	}
	fmt.Fprintf(b, "# %s (%s layout): %d layers of %d experts, %s each\n",
		s.Model, s.Layout, s.Layers, s.Experts, humanize.IBytes(uint64(s.ExpertSize)))
	fmt.Fprintf(b, "# reads: %s%s\n", s.Mechanism, reason(s.Why))
	if s.NoSocket != "" {
		fmt.Fprintf(b, "# socket for descriptors: none%s\n", reason(s.NoSocket))
	}
	fmt.Fprintf(b, "# RAM tier: %s%s\n", c.Mechanism, reason(c.Why))
	fmt.Fprintf(b, "# NVMe tier: %s\n", c.Drive)
	fmt.Fprintf(b, "# policy: %s\n", c.Policy)
	fmt.Fprintf(b, "# RAM: %s of %s, %d experts; dense files %s beside\n",
		humanize.IBytes(uint64(c.Used)), humanize.IBytes(uint64(c.Budget)), c.Resident, humanize.IBytes(uint64(c.DenseBytes)))
	if c.Uses.Total() > 0 {
		fmt.Fprintf(b, "# hit rate: %.1f%% of %d expert accesses\n", 100*c.HitRate(), c.Uses.Total())
	}
	for _, g := range c.Shadows {
		fmt.Fprintf(b, "# hit rate had the policy been %s: %.1f%%\n", g.Policy, 100*g.HitRate)
	}
}

// reason puts why a better mechanism is not in use in brackets.
func reason(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}

type metric struct {
	name  string // without the prefix
	value any
}

func metrics(s expertfs.Stats) []metric {
	c, q := s.Cache, s.Requests
	passthrough := 0
	if s.Mechanism == expertfs.Passthrough {
		passthrough = 1
	}
	return []metric{
		{"uptime_seconds", fmt.Sprintf("%.3f", s.Seconds)},
		{"passthrough_active", passthrough},
		{"passthrough_refused_slots_total", q.Unbacked},
		{"ram_budget_bytes", c.Budget},
		{"ram_bytes", c.Used},
		{"ram_peak_bytes", c.PeakBytes},
		{"ram_kernel_bytes", c.KernelBytes},
		{"resident_experts", c.Resident},
		{"resident_bytes", c.ResidentBytes},
		{"loading_bytes", c.LoadingBytes},
		{"free_slot_bytes", c.FreeBytes},
		{"held_bytes", c.HeldBytes},
		{"mapped_bytes", c.MappedBytes},
		{"expert_slot_bytes", c.SlotBytes},
		{"dense_files", c.DenseFiles},
		{"dense_bytes", c.DenseBytes},
		{"hits_total", c.Hits},
		{"misses_total", c.Misses},
		{"joins_total", c.Joins},
		{"loads_total", c.Loads},
		{"evictions_total", c.Evictions},
		{"busy_total", c.Busy},
		{"waiting_loads", c.Waiting},
		{"drive_read_bytes_total", c.BytesRead},
		{"prefetch_asked_total", c.Prefetch.Asked},
		{"prefetch_dropped_total", c.Prefetch.Dropped},
		{"prefetch_useful_total", c.Prefetch.Useful},
		{"prefetch_late_total", c.Prefetch.Late},
		{"prefetch_wasted_total", c.Prefetch.Wasted},
		{"opens_total", q.Opens},
		{"descriptors_total", q.Descriptors},
		{"reads_total", q.Reads},
		{"read_bytes_total", q.ReadBytes},
		{"open_handles", q.OpenHandles},
		{"panics_total", q.Panics},
	}
}

// latencies writes the time that loads took as a Prometheus histogram, whose
// buckets are cumulative.
func latencies(b *bytes.Buffer, h expertfs.Histogram) {
	const name = "expertfs_load_seconds"
	var sum int64
	last := len(h.Counts) - 1
	for i, n := range h.Counts[:last] {
		sum += n
		if n > 0 {
			bound := time.Duration(1<<i) * time.Microsecond
			fmt.Fprintf(b, "%s_bucket{le=\"%g\"} %d\n", name, bound.Seconds(), sum)
		}
	}
	sum += h.Counts[last]
	fmt.Fprintf(b, "%s_bucket{le=\"+Inf\"} %d\n%s_sum %g\n%s_count %d\n", name, sum, name, h.Sum.Seconds(), name, sum)
}
