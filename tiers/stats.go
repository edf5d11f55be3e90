package tiers

import (
	"maps"
	"runtime"
	"slices"
	"time"

	"expertfs"
	"expertfs/tiers/ram"
)

// Stats returns the figures of now, but that of mappings, which may be a quarter
// of a second old where many are in RAM.
func (c *Cache) Stats() expertfs.CacheStats {
	return c.StatsWith(int64(c.mappings.Get(c.mapped)) * c.slots.bytes)
}

// StatsWith is Stats for those who look often, and know from an earlier time what
// is mapped: finding it asks the kernel about each expert in RAM.
func (c *Cache) StatsWith(mappedBytes int64) expertfs.CacheStats {
	kernel, err := c.loader.fill.experts.Used()
	if err != nil {
		c.log.Warn("no figures from the kernel", "err", err)
	}
	shadows := c.observer.events.report()
	c.guard.Lock()
	defer c.guard.Unlock()
	n, s := &c.observer.counters, c.slots
	stats := expertfs.CacheStats{
		Policy: c.evictor.spec, Drive: c.loader.fill.drive.Mechanism(),
		Budget: s.budget, SlotBytes: s.bytes, KernelBytes: kernel,
		Used: int64(s.count) * s.bytes, PeakBytes: int64(s.peak) * s.bytes,
		Resident: c.table.residents, ResidentBytes: int64(c.table.residents) * s.bytes,
		LoadingBytes: int64(s.inUse()-c.table.residents) * s.bytes,
		FreeBytes:    int64(len(s.free)) * s.bytes, HeldBytes: int64(c.table.pinned) * s.bytes,
		MappedBytes: mappedBytes,
		Uses:        n.uses, Loads: n.loads,
		Evictions: n.evictions, Busy: n.busy, Crowded: n.crowded, SlotWait: n.slotWait, OpenWait: n.openWait, Waiting: len(c.loader.queue),
		BytesRead: c.loader.fill.drive.BytesRead(),
		Errors:    maps.Clone(n.errors), Latency: n.latency,
		Prefetch: n.prefetch, Shadows: shadows,
	}
	m, why := c.loader.fill.experts.Mechanism()
	stats.Mechanism, stats.Why = m.String(), why
	for _, e := range c.table.dense {
		if e.slot != nil {
			stats.DenseFiles++
			stats.DenseBytes += e.slot.Allocated()
			if e.rounded {
				stats.RoundedFiles++
				stats.RoundedBytes += e.slot.Allocated()
			}
		}
	}
	return stats
}

// DenseBytes is what dense files take in RAM.
func (c *Cache) DenseBytes() int64 {
	c.guard.Lock()
	defer c.guard.Unlock()
	return c.table.denseBytes()
}

// mappedBatch bounds the slots that are asked for their mappings at a time, so
// that an open waits for some microseconds at most.
const mappedBatch = 16

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
			// Who locks again at once keeps those out who were woken meanwhile.
			runtime.Gosched()
		}
	}
	return n
}

// Readers returns the figures of the readers by stream, without what they have
// mapped. The shared one is among them if it has done anything.
func (c *Cache) Readers() []expertfs.ReaderStats {
	c.guard.Lock()
	defer c.guard.Unlock()
	var list []expertfs.ReaderStats
	for _, s := range c.streams.list {
		if s == c.shared.stream && s.uses.Total() == 0 && s.taken == 0 {
			continue
		}
		list = append(list, expertfs.ReaderStats{
			PID: s.info.PID, Name: s.info.Name, Stream: s.number,
			Opens: s.opens, Uses: s.uses, Steps: s.taken, Tokens: s.tokens, ShareBytes: c.share(s),
		})
	}
	return list
}

// SlotFiles tells which file of memory each expert in RAM is in.
func (c *Cache) SlotFiles() map[ram.FileID]expertfs.Key {
	c.guard.Lock()
	defer c.guard.Unlock()
	files := make(map[ram.FileID]expertfs.Key, c.table.residents)
	for e := range c.table.inRAM {
		files[e.slot.ID()] = e.key
	}
	return files
}

// SlotBytes is what an expert takes in RAM.
func (c *Cache) SlotBytes() int64 { return c.slots.bytes }

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
func (c *Cache) Expert(k expertfs.Key) ExpertInfo {
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
func (c *Cache) Resident() []expertfs.Key {
	c.guard.Lock()
	defer c.guard.Unlock()
	keys := make([]expertfs.Key, 0, c.table.residents)
	for e := range c.table.inRAM {
		keys = append(keys, e.key)
	}
	return keys
}
