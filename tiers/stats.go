package tiers

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"
	"time"

	"expertfs/policy"
	"expertfs/policy/shadow"
)

// Stats are figures since the cache was made. Bytes in RAM are those that
// slots take, whole pages.
type Stats struct {
	Policy    string `json:"policy"`
	Mechanism string `json:"mechanism"` // of the RAM tier
	Why       string `json:"why"`       // not a better one, "" for the best
	Drive     string `json:"drive"`     // how it is read

	Budget        int64 `json:"budget"`
	SlotBytes     int64 `json:"slot_bytes"`   // of one expert
	Used          int64 `json:"used_bytes"`   // of all slots; at most the budget
	PeakBytes     int64 `json:"peak_bytes"`   // the most that was
	KernelBytes   int64 `json:"kernel_bytes"` // of all slots, by the kernel's account
	Resident      int   `json:"resident"`     // experts in RAM
	ResidentBytes int64 `json:"resident_bytes"`
	LoadingBytes  int64 `json:"loading_bytes"`
	FreeBytes     int64 `json:"free_bytes"`   // slots ready for the next loads
	HeldBytes     int64 `json:"held_bytes"`   // residents that are open
	MappedBytes   int64 `json:"mapped_bytes"` // residents that are closed and still mapped
	DenseFiles    int   `json:"dense_files"`
	DenseBytes    int64 `json:"dense_bytes"` // outside the budget

	Hits      int64 `json:"hits"`
	Misses    int64 `json:"misses"`
	Joins     int64 `json:"joins"` // opens that waited for the load of another
	Loads     int64 `json:"loads"` // finished, dense files included
	Evictions int64 `json:"evictions"`
	Busy      int64 `json:"busy"` // loads given up for want of a slot
	Waiting   int   `json:"waiting"`
	BytesRead int64 `json:"bytes_read"` // from the drive

	Errors   map[string]int64 `json:"errors"` // failed reads by errno
	Latency  Histogram        `json:"load_latency"`
	Prefetch PrefetchStats    `json:"prefetch"`
	Ghosts   []shadow.Entry   `json:"ghosts,omitempty"` // what other policies would have hit
}

// PrefetchStats count guesses. Those in RAM or on the way already do not count.
type PrefetchStats struct {
	Asked   int64 `json:"asked"`
	Dropped int64 `json:"dropped"` // no room for it
	Useful  int64 `json:"useful"`  // used after it was there
	Late    int64 `json:"late"`    // used before it was there, or its layer passed by
	Wasted  int64 `json:"wasted"`  // evicted without having been used
}

// Histogram counts durations: Counts[i] those below 2^i microseconds and not
// below 2^(i-1), the last one also all above.
type Histogram struct {
	Counts [26]int64     `json:"counts"`
	Sum    time.Duration `json:"sum_ns"`
}

func (h *Histogram) add(d time.Duration) {
	i := bits.Len64(uint64(max(d, 0).Microseconds()))
	h.Counts[min(i, len(h.Counts)-1)]++
	h.Sum += d
}

// counters are the part of Stats that is counted as it happens.
type counters struct {
	hits, misses, joins, loads, evictions, busy     int64
	prefetches, dropped, useful, late, wasted, peak int64

	errors  map[string]int64
	latency Histogram
}

// Stats returns the figures of now.
func (c *Cache) Stats() Stats {
	kernel, err := c.ram.Used()
	if err != nil {
		c.log.Warn("no figures from the kernel", "err", err)
	}
	ghosts := c.observer.report()
	c.mu.Lock()
	defer c.mu.Unlock()
	n := &c.counters
	s := Stats{
		Policy: c.spec, Drive: c.reader.Mechanism(),
		Budget: c.budget, SlotBytes: c.charge, KernelBytes: kernel,
		Used: int64(c.slots) * c.charge, PeakBytes: n.peak,
		Resident: c.residents, ResidentBytes: int64(c.residents) * c.charge,
		LoadingBytes: int64(c.inUse()-c.residents) * c.charge,
		FreeBytes:    int64(len(c.free)) * c.charge, HeldBytes: int64(c.held) * c.charge,
		Hits: n.hits, Misses: n.misses, Joins: n.joins, Loads: n.loads,
		Evictions: n.evictions, Busy: n.busy, Waiting: len(c.line),
		BytesRead: c.reader.BytesRead(),
		Errors:    maps.Clone(n.errors), Latency: n.latency,
		Prefetch: PrefetchStats{n.prefetches, n.dropped, n.useful, n.late, n.wasted},
		Ghosts:   ghosts,
	}
	m, why := c.ram.Mechanism()
	s.Mechanism, s.Why = m.String(), why
	for _, e := range c.denses {
		if e.slot != nil {
			s.DenseFiles++
			s.DenseBytes += e.slot.Allocated()
		}
	}
	for e := range c.allResidents() {
		if e.pins == 0 && !e.slot.Idle() {
			s.MappedBytes += c.charge
		}
	}
	return s
}

// Space returns the budget, what of it is free for loads, both in bytes, and
// the number of experts in RAM. Unlike Stats it asks nothing of the kernel.
func (c *Cache) Space() (budget, free int64, residents int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.budget, max(0, c.budget-int64(c.slots-len(c.free))*c.charge), c.residents
}

// ExpertInfo is what is known of one expert.
type ExpertInfo struct {
	Tier       string // "ram" or "nvme"
	Hits       int64
	Loads      int64
	LastAccess time.Time // zero: never
}

// Expert tells about an expert; of one that the model does not have, that it
// was never used.
func (c *Cache) Expert(k policy.Key) ExpertInfo {
	e := c.expert(k)
	if e == nil {
		return ExpertInfo{Tier: "nvme"}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	info := ExpertInfo{Tier: "nvme", Hits: e.hits, Loads: e.loads, LastAccess: e.last}
	if e.slot != nil {
		info.Tier = "ram"
	}
	return info
}

// Resident lists the experts in RAM by layer and number.
func (c *Cache) Resident() []policy.Key {
	c.mu.Lock()
	defer c.mu.Unlock()
	keys := make([]policy.Key, 0, c.residents)
	for e := range c.allResidents() {
		keys = append(keys, e.key)
	}
	return keys
}

// allResidents yields the experts in RAM by layer and number.
func (c *Cache) allResidents() func(yield func(*entry) bool) {
	return func(yield func(*entry) bool) {
		for _, row := range c.experts {
			for _, e := range row {
				if e.slot != nil && !yield(e) {
					return
				}
			}
		}
	}
}

// byUse lists the experts in RAM, the one used longest ago first.
func (c *Cache) byUse() []*entry {
	list := slices.Collect(c.allResidents())
	slices.SortStableFunc(list, func(a, b *entry) int { return cmp.Compare(a.used, b.used) })
	return list
}
