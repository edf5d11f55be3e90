package tiers

import (
	"maps"
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

// Stats returns the figures of now.
func (c *Cache) Stats() Stats {
	kernel, err := c.loader.fill.experts.Used()
	if err != nil {
		c.log.Warn("no figures from the kernel", "err", err)
	}
	mapped := c.mapped()
	shadows := c.observer.events.report()
	c.guard.Lock()
	defer c.guard.Unlock()
	n, s := &c.observer.counters, c.slots
	stats := Stats{
		Policy: c.evictor.spec, Drive: c.loader.fill.drive.Mechanism(),
		Budget: s.budget, SlotBytes: s.bytes, KernelBytes: kernel,
		Used: int64(s.count) * s.bytes, PeakBytes: int64(s.peak) * s.bytes,
		Resident: c.table.residents, ResidentBytes: int64(c.table.residents) * s.bytes,
		LoadingBytes: int64(s.inUse()-c.table.residents) * s.bytes,
		FreeBytes:    int64(len(s.free)) * s.bytes, HeldBytes: int64(c.table.pinned) * s.bytes,
		MappedBytes: int64(mapped) * s.bytes,
		Hits:        n.uses[hit], Misses: n.uses[miss], Joins: n.uses[joined], Loads: n.loads,
		Evictions: n.evictions, Busy: n.busy, Waiting: len(c.loader.queue),
		BytesRead: c.loader.fill.drive.BytesRead(),
		Errors:    maps.Clone(n.errors), Latency: n.latency,
		Prefetch: PrefetchStats{n.prefetches, n.dropped, n.useful, n.late, n.wasted},
		Ghosts:   shadows,
	}
	m, why := c.loader.fill.experts.Mechanism()
	stats.Mechanism, stats.Why = m.String(), why
	for _, e := range c.table.dense {
		if e.slot != nil {
			stats.DenseFiles++
			stats.DenseBytes += e.slot.Allocated()
		}
	}
	return stats
}

// mappedBatch bounds the slots that are asked for their mappings at a time, so
// that an open waits for some microseconds at most.
const mappedBatch = 8

// mapped counts the residents that are closed and still mapped. It asks the
// kernel about each, a few at a time; what changes meanwhile may be missed.
func (c *Cache) mapped() (n int) {
	for _, row := range c.table.experts {
		for part := range slices.Chunk(row, mappedBatch) {
			c.guard.Lock()
			for _, e := range part {
				if e.slot != nil && e.pins == 0 && !e.slot.Idle() {
					n++
				}
			}
			c.guard.Unlock()
		}
	}
	return n
}

// Space returns the budget, what of it is free for loads, both in bytes, and
// the number of experts in RAM. Unlike Stats it asks nothing of the kernel.
func (c *Cache) Space() (budget, free int64, residents int) {
	c.guard.Lock()
	defer c.guard.Unlock()
	s := c.slots
	return s.budget, max(0, s.budget-int64(s.count-len(s.free))*s.bytes), c.table.residents
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
	e := c.table.expert(k)
	if e == nil {
		return ExpertInfo{Tier: "nvme"}
	}
	c.guard.Lock()
	defer c.guard.Unlock()
	info := ExpertInfo{Tier: "nvme", Hits: e.hits, Loads: e.loads, LastAccess: e.last}
	if e.slot != nil {
		info.Tier = "ram"
	}
	return info
}

// Resident lists the experts in RAM by layer and number.
func (c *Cache) Resident() []policy.Key {
	c.guard.Lock()
	defer c.guard.Unlock()
	keys := make([]policy.Key, 0, c.table.residents)
	for e := range c.table.inRAM {
		keys = append(keys, e.key)
	}
	return keys
}
