package tiers

import (
	"math/bits"
	"time"

	"expertfs/policy"
)

// access is how a use of an expert met the RAM tier.
type access int

const (
	hit    access = iota // it was there
	miss                 // it had to be read
	joined               // it was being read already, for another open
)

// observer counts what happens and passes it on to those who learn from it: the
// heat, the shadow policies, and the trace. It changes nothing.
type observer struct {
	// GUARDED BY guard.
	counters
	heat *policy.Heat

	events *events // nil when nobody wants any; has its own lock, taken after guard
}

// counters are the part of Stats that is counted as it happens.
type counters struct {
	uses                                      [3]int64 // of experts, by access
	loads, evictions, busy                    int64
	prefetches, dropped, useful, late, wasted int64

	errors  map[string]int64
	latency Histogram
}

// used counts a use of an expert by a reader.
func (o *observer) used(s *stream, e *entry, how access) {
	o.uses[how]++
	s.uses[how]++
	if how == hit {
		e.hits++
		if len(e.wants) > 0 {
			e.wants = nil
			o.useful++
		}
	}
	o.events.add(event{kind: used, stream: s.number, key: e.key})
}

// stepped takes a step of a reader.
func (o *observer) stepped(s policy.Step) {
	kind := stepAnnounced
	if s.Found {
		kind = stepFound
	}
	o.events.add(event{kind: kind, stream: s.Stream, layer: s.Layer, keys: s.Used})
	o.heat.Step(s)
}

// loaded counts a load that ended well.
func (o *observer) loaded(took time.Duration) {
	o.loads++
	o.latency.add(took)
}

// evicted counts an eviction.
func (o *observer) evicted(e *entry) {
	o.evictions++
	if len(e.wants) > 0 {
		o.wasted++
	}
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
