package fsys

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"expertfs"
)

// metric is one metric in the text format of Prometheus, with all its series.
type metric struct {
	name   string // without the prefix; "_total" ends the names of counters
	help   string
	series []series
}

type series struct {
	labels string // as in {a="b"}, "" for none
	value  any
}

func (m metric) write(b *bytes.Buffer) {
	kind := "gauge"
	if strings.HasSuffix(m.name, "_total") {
		kind = "counter"
	}
	fmt.Fprintf(b, "# HELP expertfs_%s %s\n# TYPE expertfs_%s %s\n", m.name, m.help, m.name, kind)
	for _, s := range m.series {
		fmt.Fprintf(b, "expertfs_%s%s %v\n", m.name, s.labels, s.value)
	}
}

// labelEscapes are all that the text format knows.
var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// labels writes names and values, in turn, as labels of a series.
func labels(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, `,%s="%s"`, pairs[i], labelEscapes.Replace(strings.ToValidUTF8(pairs[i+1], "?")))
	}
	return "{" + b.String()[1:] + "}"
}

// one is a metric of a single series.
func one(name string, value any, help string) metric {
	return metric{name, help, []series{{"", value}}}
}

// metrics lists all metrics but the histogram. Those of the whole mount come
// first, then those with labels.
func metrics(s expertfs.Stats) []metric {
	c, q := s.Cache, s.Requests
	passthrough := 0
	if s.Mechanism == expertfs.Passthrough {
		passthrough = 1
	}
	list := []metric{
		{"mount_info", "What is mounted, where, and how; the value is 1.", []series{{
			labels("mountpoint", s.Mountpoint, "model", s.Model, "policy", c.Policy, "mechanism", string(s.Mechanism), "version", s.Version), 1,
		}}},
		one("uptime_seconds", fmt.Sprintf("%.3f", s.Seconds), "Time since the mount."),
		one("passthrough_active", passthrough, "1 where the kernel answers reads from the RAM tier itself."),
		one("passthrough_refused_slots_total", q.Unbacked, "Slots that the kernel refused to pass reads through to."),
		one("ram_budget_bytes", c.Budget, "What experts may take in RAM."),
		one("ram_bytes", c.Used, "What the slots of experts take."),
		one("ram_peak_bytes", c.PeakBytes, "The most that they took."),
		one("ram_kernel_bytes", c.KernelBytes, "What they take by the kernel's account."),
		one("resident_experts", c.Resident, "Experts in RAM."),
		one("resident_bytes", c.ResidentBytes, "What they take."),
		one("loading_bytes", c.LoadingBytes, "Slots of experts that are being read."),
		one("free_slot_bytes", c.FreeBytes, "Slots that no expert is in."),
		one("held_bytes", c.HeldBytes, "Experts in RAM that are open."),
		one("mapped_bytes", c.MappedBytes, "Experts in RAM that are closed and still mapped."),
		one("expert_slot_bytes", c.SlotBytes, "The slot of one expert."),
		one("dense_files", c.DenseFiles, "Dense files in RAM."),
		one("dense_bytes", c.DenseBytes, "What they take, beside the budget."),
		one("rounded_files", c.RoundedFiles, "Dense files in RAM whose matrices are rounded to 8 bits."),
		one("rounded_bytes", c.RoundedBytes, "What they take of that."),
		one("hits_total", c.Hits, "Uses of experts that were in RAM."),
		one("misses_total", c.Misses, "Uses of experts that had to be read from the drive."),
		one("joins_total", c.Joins, "Uses of experts that were being read already for another use."),
		one("loads_total", c.Loads, "Files read into RAM, dense ones included."),
		one("evictions_total", c.Evictions, "Experts that left RAM for others."),
		one("busy_total", c.Busy, "Opens refused because their reader held the slots."),
		one("crowded_total", c.Crowded, "Opens served from the drive because other readers held the slots."),
		one("slot_wait_seconds_total", fmt.Sprintf("%.6f", c.SlotWait.Seconds()), "Time that loads have waited for a slot, all together."),
		one("waiting_loads", c.Waiting, "Opens that wait for a slot."),
		one("drive_read_bytes_total", c.BytesRead, "Bytes read from the drive."),
		one("prefetch_asked_total", c.Prefetch.Asked, "Prefetches asked for of experts that were not in RAM."),
		one("prefetch_dropped_total", c.Prefetch.Dropped, "Prefetches that found no room."),
		one("prefetch_useful_total", c.Prefetch.Useful, "Prefetched experts that were used."),
		one("prefetch_late_total", c.Prefetch.Late, "Prefetches overtaken by the use, or given up."),
		one("prefetch_wasted_total", c.Prefetch.Wasted, "Prefetched experts that left RAM unused."),
		one("opens_total", q.Opens, "Opens of data files."),
		one("descriptors_total", q.Descriptors, "Opens of experts by the socket."),
		one("reads_total", q.Reads, "Reads of data files that this program answered."),
		one("read_bytes_total", q.ReadBytes, "Bytes of those reads."),
		one("open_handles", q.OpenHandles, "Open files and directories."),
		one("panics_total", q.Panics, "Requests whose handling failed by a fault of this program."),
	}
	return append(list, labelled(s)...)
}

// labelled lists the metrics of which there is a series for each of something.
func labelled(s expertfs.Stats) []metric {
	errors := metric{name: "load_errors_total", help: "Loads that failed."}
	for _, errno := range slices.Sorted(maps.Keys(s.Cache.Errors)) {
		errors.series = append(errors.series, series{labels("errno", errno), s.Cache.Errors[errno]})
	}
	hits := metric{name: "shadow_hits_total", help: "Hits had the policy been another."}
	accesses := metric{name: "shadow_accesses_total", help: "Uses that a shadow policy has seen."}
	for _, g := range s.Cache.Shadows {
		of := labels("policy", g.Policy)
		hits.series = append(hits.series, series{of, g.Hits})
		accesses.series = append(accesses.series, series{of, g.Accesses})
	}
	list := []metric{errors, hits, accesses}
	for _, of := range []struct {
		name, help string
		value      func(expertfs.ReaderStats) int64
	}{
		{"reader_opens_total", "Opens of experts by a reader.", func(r expertfs.ReaderStats) int64 { return r.Opens }},
		{"reader_hits_total", "Uses by a reader of experts that were in RAM.", func(r expertfs.ReaderStats) int64 { return r.Hits }},
		{"reader_misses_total", "Uses by a reader that had to be read.", func(r expertfs.ReaderStats) int64 { return r.Misses }},
		{"reader_tokens_total", "Tokens that a reader has begun.", func(r expertfs.ReaderStats) int64 { return r.Tokens }},
		{"reader_mapped_bytes", "Experts that a reader keeps open or mapped.", func(r expertfs.ReaderStats) int64 { return r.MappedBytes }},
		{"reader_share_bytes", "What of the budget a reader may keep mapped.", func(r expertfs.ReaderStats) int64 { return r.ShareBytes }},
	} {
		m := metric{name: of.name, help: of.help}
		for _, r := range s.Readers {
			m.series = append(m.series, series{labels("pid", strconv.Itoa(r.PID), "name", r.Name), of.value(r)})
		}
		list = append(list, m)
	}
	return list
}

// latencies writes the time that loads took as a histogram, whose buckets are
// cumulative and always all there.
func latencies(b *bytes.Buffer, h expertfs.Histogram) {
	const name = "expertfs_load_seconds"
	fmt.Fprintf(b, "# HELP %s Time that loads took, waiting for a slot included.\n# TYPE %s histogram\n", name, name)
	var sum int64
	last := len(h.Counts) - 1
	for i, n := range h.Counts[:last] {
		sum += n
		bound := time.Duration(1<<i) * time.Microsecond
		fmt.Fprintf(b, "%s_bucket{le=\"%g\"} %d\n", name, bound.Seconds(), sum)
	}
	sum += h.Counts[last]
	fmt.Fprintf(b, "%s_bucket{le=\"+Inf\"} %d\n%s_sum %g\n%s_count %d\n", name, sum, name, h.Sum.Seconds(), name, sum)
}
