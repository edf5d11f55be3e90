package tiers

import (
	"time"

	"expertfs"
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
// heat, the shadow policies, and the trace. It decides nothing: of an entry it changes
// what it counts there, and that a prefetch of it has proved right.
type observer struct {
	// GUARDED BY guard.
	counters
	heat *policy.Heat

	events *events // nil when nobody wants any; has its own lock, taken after guard
}

// counters are the part of the figures that is counted as it happens.
type counters struct {
	uses             expertfs.Uses // of experts
	loads, evictions int64
	busy, crowded    int64 // opens
	slotWait         time.Duration
	openWait         time.Duration
	prefetch         expertfs.PrefetchStats

	errors  map[string]int64
	latency expertfs.Histogram
}

// count counts a use.
func count(u *expertfs.Uses, how access) {
	switch how {
	case hit:
		u.Hits++
	case miss:
		u.Misses++
	case joined:
		u.Joins++
	}
}

// used counts a use of an expert by a reader.
func (o *observer) used(s *stream, e *entry, how access) {
	count(&o.uses, how)
	count(&s.uses, how)
	if how == hit {
		e.hits++
		if len(e.wants) > 0 {
			e.wants = nil
			o.prefetch.Useful++
		}
	}
	kind := used
	if how == joined {
		kind = joining
	}
	o.events.add(event{kind: kind, stream: s.number, key: e.key, how: how})
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

// foreseen passes on of which uses the policy was told when they were announced.
func (o *observer) foreseen(s *stream) {
	if len(s.told) > 0 {
		o.events.add(event{kind: foreseen, stream: s.number, keys: s.told})
	}
}

// loaded counts a load that ended well.
func (o *observer) loaded(e *entry, took time.Duration) {
	o.loads++
	o.latency.Add(took)
	if !e.dense {
		o.events.addDebug(event{kind: loaded, key: e.key, took: took})
	}
}

// evicted counts an eviction.
func (o *observer) evicted(e *entry) {
	o.evictions++
	if len(e.wants) > 0 {
		o.prefetch.Wasted++
	}
	o.events.addDebug(event{kind: evicted, key: e.key})
}
