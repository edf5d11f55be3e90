package fsys

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
)

// Text writes a report as .expertfs/stats shows it: comments for people, then
// lines "name value" in the text format of Prometheus. Names never change
// meaning; new ones may come.
func (r Report) Text() []byte {
	var b bytes.Buffer
	r.summary(&b)
	for _, m := range r.metrics() {
		fmt.Fprintf(&b, "expertfs_%s %v\n", m.name, m.value)
	}
	for _, errno := range slices.Sorted(maps.Keys(r.Cache.Errors)) {
		fmt.Fprintf(&b, "expertfs_load_errors_total{errno=%q} %d\n", errno, r.Cache.Errors[errno])
	}
	for _, g := range r.Cache.Ghosts {
		fmt.Fprintf(&b, "expertfs_shadow_hits_total{policy=%q} %d\n", g.Policy, g.Hits)
		fmt.Fprintf(&b, "expertfs_shadow_accesses_total{policy=%q} %d\n", g.Policy, g.Accesses)
	}
	r.latencies(&b)
	return b.Bytes()
}

// summary writes what cannot be a number, and the figures that are looked for
// first.
func (r Report) summary(b *bytes.Buffer) {
	c := r.Cache
	if last := r.LastRefused; last != nil {
		fmt.Fprintf(b, "# last refused: %s: %s (%s)\n", last.File, last.Reason, last.Time.Format(time.RFC3339))
	}
	fmt.Fprintf(b, "# %s (%s layout): %d layers of %d experts, %s each\n",
		r.Model, r.Layout, r.Layers, r.Experts, humanize.IBytes(uint64(r.ExpertSize)))
	fmt.Fprintf(b, "# reads: %s%s\n", r.Mechanism, reason(r.Why))
	fmt.Fprintf(b, "# RAM tier: %s%s\n", c.Mechanism, reason(c.Why))
	fmt.Fprintf(b, "# NVMe tier: %s\n", c.Drive)
	fmt.Fprintf(b, "# policy: %s\n", c.Policy)
	fmt.Fprintf(b, "# RAM: %s of %s, %d experts; dense files %s beside\n",
		humanize.IBytes(uint64(c.Used)), humanize.IBytes(uint64(c.Budget)), c.Resident, humanize.IBytes(uint64(c.DenseBytes)))
	if opens := c.Hits + c.Misses + c.Joins; opens > 0 {
		fmt.Fprintf(b, "# hit rate: %.1f%% of %d expert accesses\n", 100*float64(c.Hits)/float64(opens), opens)
	}
	for _, g := range c.Ghosts {
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

func (r Report) metrics() []metric {
	c, q := r.Cache, r.Requests
	passthrough := 0
	if r.Mechanism == Passthrough {
		passthrough = 1
	}
	return []metric{
		{"uptime_seconds", fmt.Sprintf("%.3f", r.Seconds)},
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
		{"reads_total", q.Reads},
		{"read_bytes_total", q.ReadBytes},
		{"open_handles", q.OpenHandles},
		{"panics_total", q.Panics},
	}
}

// latencies writes the time that loads took as a Prometheus histogram, whose
// buckets are cumulative.
func (r Report) latencies(b *bytes.Buffer) {
	const name = "expertfs_load_seconds"
	h := r.Cache.Latency
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
