package metrics

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"expertfs"
)

// metric is one metric, with all its series.
type metric struct {
	name   string // without the prefix; "_total" ends the names of counters
	help   string
	labels []string
	series func(s *expertfs.Stats) []series
}

// series is a value for each label of its metric, and the value of that.
type series struct {
	labels []string
	value  float64
}

// prefix begins every name.
const prefix = "expertfs_"

func (m metric) isCounter() bool { return strings.HasSuffix(m.name, "_total") }

func (m metric) kind() string {
	if m.isCounter() {
		return "counter"
	}
	return "gauge"
}

// one is a metric of a single series.
func one[T int | int64 | float64](name string, value func(s *expertfs.Stats) T, help string) metric {
	return metric{name: name, help: help, series: func(s *expertfs.Stats) []series {
		return []series{{value: float64(value(s))}}
	}}
}

// all lists the metrics but the histogram: those of the whole mount, then those
// with a series for each of something.
var all = slices.Concat(ofMount, ofCache, ofSource, ofLabels)

var ofMount = []metric{
	{"mount_info", "What is mounted, where, and how; the value is 1.", []string{"mountpoint", "model", "policy", "mechanism", "version"},
		func(s *expertfs.Stats) []series {
			return []series{{[]string{s.Mountpoint, s.Model, s.Cache.Policy, string(s.Mechanism), s.Version}, 1}}
		}},
	one("uptime_seconds", func(s *expertfs.Stats) float64 { return s.Seconds }, "Time since the mount."),
	one("passthrough_active", func(s *expertfs.Stats) int {
		if s.Mechanism == expertfs.Passthrough {
			return 1
		}
		return 0
	}, "1 where the kernel answers reads from the RAM tier itself, else 0."),
	one("passthrough_refused_slots_total", func(s *expertfs.Stats) int64 { return s.Requests.Unbacked }, "Slots that the kernel refused to pass reads through to."),
	one("model_layers", func(s *expertfs.Stats) int { return s.Layers }, "Layers of the model."),
	one("model_experts", func(s *expertfs.Stats) int { return s.Layers * s.Experts }, "Experts of the model, in all layers."),
	one("opens_total", func(s *expertfs.Stats) int64 { return s.Requests.Opens }, "Opens of data files."),
	one("descriptors_total", func(s *expertfs.Stats) int64 { return s.Requests.Descriptors }, "Opens of experts by the socket."),
	one("reads_total", func(s *expertfs.Stats) int64 { return s.Requests.Reads }, "Reads of data files that the server answered; those by passthrough never reach it."),
	one("read_bytes_total", func(s *expertfs.Stats) int64 { return s.Requests.ReadBytes }, "Bytes of the reads that the server answered."),
	one("open_handles", func(s *expertfs.Stats) int { return s.Requests.OpenHandles }, "Open files and directories, control files included."),
	one("panics_total", func(s *expertfs.Stats) int64 { return s.Requests.Panics }, "Requests whose handling failed by a fault of the server."),
}

// ofCache are of the tiers.
var ofCache = []metric{
	tier("ram_budget_bytes", func(c *expertfs.CacheStats) int64 { return c.Budget }, "What experts may take in RAM."),
	tier("ram_bytes", func(c *expertfs.CacheStats) int64 { return c.Used }, "What the slots of experts take in RAM."),
	tier("ram_peak_bytes", func(c *expertfs.CacheStats) int64 { return c.PeakBytes }, "The most that the slots of experts took."),
	tier("ram_kernel_bytes", func(c *expertfs.CacheStats) int64 { return c.KernelBytes }, "What the slots of experts take by the kernel's account."),
	tier("resident_experts", func(c *expertfs.CacheStats) int { return c.Resident }, "Experts in RAM."),
	tier("resident_bytes", func(c *expertfs.CacheStats) int64 { return c.ResidentBytes }, "What the experts in RAM take."),
	tier("loading_bytes", func(c *expertfs.CacheStats) int64 { return c.LoadingBytes }, "Slots of experts that are being read."),
	tier("free_slot_bytes", func(c *expertfs.CacheStats) int64 { return c.FreeBytes }, "Slots that no expert is in."),
	tier("held_bytes", func(c *expertfs.CacheStats) int64 { return c.HeldBytes }, "Experts in RAM that are open."),
	tier("mapped_bytes", func(c *expertfs.CacheStats) int64 { return c.MappedBytes }, "Experts in RAM that are closed and still mapped."),
	tier("expert_slot_bytes", func(c *expertfs.CacheStats) int64 { return c.SlotBytes }, "The slot of one expert."),
	tier("dense_files", func(c *expertfs.CacheStats) int { return c.DenseFiles }, "Dense files in RAM."),
	tier("dense_bytes", func(c *expertfs.CacheStats) int64 { return c.DenseBytes }, "What the dense files in RAM take, beside the budget."),
	tier("rounded_files", func(c *expertfs.CacheStats) int { return c.RoundedFiles }, "Dense files in RAM whose matrices are rounded to 8 bits."),
	tier("rounded_bytes", func(c *expertfs.CacheStats) int64 { return c.RoundedBytes }, "What of the dense files' bytes the rounded ones take."),
	tier("hits_total", func(c *expertfs.CacheStats) int64 { return c.Hits }, "Uses of experts that were in RAM."),
	tier("misses_total", func(c *expertfs.CacheStats) int64 { return c.Misses }, "Uses of experts that had to be read from the drive."),
	tier("joins_total", func(c *expertfs.CacheStats) int64 { return c.Joins }, "Uses of experts that were being read already for another use."),
	tier("loads_total", func(c *expertfs.CacheStats) int64 { return c.Loads }, "Files read into RAM, dense ones included."),
	tier("evictions_total", func(c *expertfs.CacheStats) int64 { return c.Evictions }, "Experts that left RAM for others."),
	tier("busy_total", func(c *expertfs.CacheStats) int64 { return c.Busy }, "Opens refused because their reader held the slots."),
	tier("crowded_total", func(c *expertfs.CacheStats) int64 { return c.Crowded }, "Opens served from the drive because other readers held the slots."),
	tier("open_wait_seconds_total", func(c *expertfs.CacheStats) float64 { return c.OpenWait.Seconds() }, "Time that opens of experts have waited for their bytes, all together."),
	tier("slot_wait_seconds_total", func(c *expertfs.CacheStats) float64 { return c.SlotWait.Seconds() }, "Time that loads have waited for a slot, all together."),
	tier("waiting_loads", func(c *expertfs.CacheStats) int { return c.Waiting }, "Loads that wait for a slot."),
	tier("drive_read_bytes_total", func(c *expertfs.CacheStats) int64 { return c.BytesRead }, "Bytes read from the drive."),
	tier("prefetch_asked_total", func(c *expertfs.CacheStats) int64 { return c.Prefetch.Asked }, "Prefetches asked for of experts that were not in RAM."),
	tier("prefetch_dropped_total", func(c *expertfs.CacheStats) int64 { return c.Prefetch.Dropped }, "Prefetches that found no room."),
	tier("prefetch_useful_total", func(c *expertfs.CacheStats) int64 { return c.Prefetch.Useful }, "Prefetched experts that were used."),
	tier("prefetch_late_total", func(c *expertfs.CacheStats) int64 { return c.Prefetch.Late }, "Prefetches overtaken by the use, or given up."),
	tier("prefetch_wasted_total", func(c *expertfs.CacheStats) int64 { return c.Prefetch.Wasted }, "Prefetched experts that left RAM unused."),
}

func tier[T int | int64 | float64](name string, value func(c *expertfs.CacheStats) T, help string) metric {
	return one(name, func(s *expertfs.Stats) T { return value(&s.Cache) }, help)
}

// ofSource are of the place on a network that the checkpoint is in; all are 0 where
// it is on this machine.
var ofSource = []metric{
	place("source_requests_total", func(p *expertfs.SourceStats) int64 { return p.Requests }, "Requests to where the checkpoint is."),
	place("source_bytes_total", func(p *expertfs.SourceStats) int64 { return p.Bytes }, "Bytes of files fetched from there."),
	place("source_retries_total", func(p *expertfs.SourceStats) int64 { return p.Retries }, "Requests that were made again."),
	place("source_errors_total", func(p *expertfs.SourceStats) int64 { return p.Errors }, "Requests that were given up."),
	place("source_cached_bytes", func(p *expertfs.SourceStats) int64 { return p.CachedBytes }, "What of the files is in the cache on a drive."),
	place("source_cache_limit_bytes", func(p *expertfs.SourceStats) int64 { return p.CacheLimit }, "What of the files may be in the cache, 0 for no limit."),
	place("source_skipped_bytes_total", func(p *expertfs.SourceStats) int64 { return p.Skipped }, "Bytes that were fetched and not kept, as the drive was too far behind."),
	place("source_complete", func(p *expertfs.SourceStats) int64 {
		if p.Complete {
			return 1
		}
		return 0
	}, "1 when all of the checkpoint is in the cache, else 0."),
}

func place(name string, value func(*expertfs.SourceStats) int64, help string) metric {
	return one(name, func(s *expertfs.Stats) int64 {
		if s.Source == nil {
			return 0
		}
		return value(s.Source)
	}, help)
}

// errnos are those of failed loads that have a series from the mount on.
var errnos = []string{"EIO", "EMFILE", "ENFILE", "ENOMEM", "ENOSPC"}

// ofLabels have a series for each of something.
var ofLabels = slices.Concat([]metric{
	{"load_errors_total", "Loads that failed.", []string{"errno"}, func(s *expertfs.Stats) (list []series) {
		names := slices.Concat(errnos, slices.Collect(maps.Keys(s.Cache.Errors)))
		slices.Sort(names)
		for _, errno := range slices.Compact(names) {
			list = append(list, series{[]string{errno}, float64(s.Cache.Errors[errno])})
		}
		return list
	}},
	shadow("shadow_hits_total", func(p expertfs.ShadowStats) int64 { return p.Hits }, "Hits had the policy been another."),
	shadow("shadow_accesses_total", func(p expertfs.ShadowStats) int64 { return p.Accesses }, "Uses that a shadow policy has seen."),
}, ofReaders, ofCopies)

// shadow has a series for each shadow policy; one that is there twice counts once.
func shadow(name string, value func(expertfs.ShadowStats) int64, help string) metric {
	return metric{name, help, []string{"policy"}, func(s *expertfs.Stats) (list []series) {
		seen := map[string]bool{}
		for _, p := range s.Cache.Shadows {
			if !seen[p.Policy] {
				seen[p.Policy] = true
				list = append(list, series{[]string{p.Policy}, float64(value(p))})
			}
		}
		return list
	}}
}

var ofReaders = []metric{
	reader("reader_opens_total", func(r expertfs.ReaderStats) int64 { return r.Opens }, "Opens of experts by a reader."),
	reader("reader_hits_total", func(r expertfs.ReaderStats) int64 { return r.Hits }, "Uses by a reader of experts that were in RAM."),
	reader("reader_misses_total", func(r expertfs.ReaderStats) int64 { return r.Misses }, "Uses by a reader of experts that had to be read."),
	reader("reader_joins_total", func(r expertfs.ReaderStats) int64 { return r.Joins }, "Uses by a reader of experts that were being read already."),
	reader("reader_tokens_total", func(r expertfs.ReaderStats) int64 { return r.Tokens }, "Tokens that a reader has begun, as far as its steps tell."),
	reader("reader_mapped_bytes", func(r expertfs.ReaderStats) int64 { return r.MappedBytes }, "Experts that a reader keeps open or mapped."),
	reader("reader_share_bytes", func(r expertfs.ReaderStats) int64 { return r.ShareBytes }, "What of the budget a reader may keep mapped."),
}

func reader(name string, value func(expertfs.ReaderStats) int64, help string) metric {
	return metric{name, help, []string{"pid", "name"}, func(s *expertfs.Stats) (list []series) {
		for _, r := range s.Readers {
			list = append(list, series{[]string{strconv.Itoa(r.PID), r.Name}, float64(value(r))})
		}
		return list
	}}
}

// ofCopies have a series for each copy of a checkpoint with mirrors.
var ofCopies = []metric{
	copyOf("copy_files", func(c expertfs.CopyStats) float64 { return float64(c.Files) }, "Files of the checkpoint that a copy has."),
	copyOf("copy_reads_total", func(c expertfs.CopyStats) float64 { return float64(c.Reads) }, "Reads of a copy."),
	copyOf("copy_read_bytes_total", func(c expertfs.CopyStats) float64 { return float64(c.Bytes) }, "Bytes read from a copy."),
	copyOf("copy_errors_total", func(c expertfs.CopyStats) float64 { return float64(c.Errors) }, "Reads that failed at a copy; another one was tried."),
	copyOf("copy_bytes_per_second", func(c expertfs.CopyStats) float64 { return c.Speed }, "Speed of a copy lately, while anything was read; 0 before."),
	copyOf("copy_serves", func(c expertfs.CopyStats) float64 {
		if c.Serves {
			return 1
		}
		return 0
	}, "1 while a copy is read, 0 while it is left because it failed."),
}

func copyOf(name string, value func(expertfs.CopyStats) float64, help string) metric {
	return metric{name, help, []string{"copy"}, func(s *expertfs.Stats) (list []series) {
		for _, c := range s.Copies {
			list = append(list, series{[]string{c.Dir}, value(c)})
		}
		return list
	}}
}
