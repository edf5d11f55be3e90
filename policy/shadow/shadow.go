// Package shadow tells what other policies would have hit, while a cache is
// live: for each it keeps a cache without bytes that sees the same steps and
// accesses.
package shadow

import (
	"expertfs"
	"expertfs/policy"
	"expertfs/policy/sim"
)

// Set is a set of shadow policies. It is not safe for concurrent use. A call costs
// what the policies' own work costs, some microseconds, and moves no bytes; a
// live cache makes it beside its readers, not under their lock.
type Set struct {
	names   []string
	caches  []*sim.Cache
	streams policy.Streams
}

// New makes shadows of the named policies with the budget of the shape.
func New(s expertfs.Shape, names []string, seed uint64) (*Set, error) {
	set := &Set{names: names}
	for _, name := range names {
		c, err := sim.New(name, s, seed)
		if err != nil {
			return nil, err
		}
		set.caches = append(set.caches, c)
	}
	return set, nil
}

// Step takes a step that the reader of a stream announced. Steps that nobody
// announces are found in the uses. The keys are only lent.
func (s *Set) Step(stream, layer int, used []expertfs.Key) {
	if ended, ok := s.streams.Of(stream).Announce(layer, used); ok {
		s.step(ended)
	}
	s.step(policy.Step{Stream: stream, Layer: layer, Used: used})
}

// Foresee takes the experts of the step that a stream announced last of whose uses the
// policy of the live cache was told at once. The keys are only lent.
func (s *Set) Foresee(stream int, keys []expertfs.Key) {
	for _, c := range s.caches {
		c.Foresee(stream, keys, &s.streams)
	}
}

// Use takes a use of an expert that was a hit or a miss in the live cache.
func (s *Set) Use(stream int, k expertfs.Key) {
	s.access(stream, k)
	for _, c := range s.caches {
		c.Access(stream, k, &s.streams)
	}
}

// Join takes a use that waited there for a load that another one had begun.
func (s *Set) Join(stream int, k expertfs.Key) {
	s.access(stream, k)
	for _, c := range s.caches {
		c.Join(stream, k, &s.streams)
	}
}

func (s *Set) access(stream int, k expertfs.Key) {
	if ended, ok := s.streams.Of(stream).Access(k); ok {
		s.step(ended)
	}
}

// EndStream says that the reader of a stream has gone.
func (s *Set) EndStream(stream int) {
	if ended, ok := s.streams.Of(stream).Flush(); ok {
		s.step(ended)
	}
	s.streams.Drop(stream)
	for _, c := range s.caches {
		c.EndStream(stream)
	}
}

func (s *Set) step(step policy.Step) {
	for _, c := range s.caches {
		c.Step(step)
	}
}

// Resize gives the shadows the budget that the live cache now has.
func (s *Set) Resize(budget int64) {
	for _, c := range s.caches {
		c.Resize(budget, &s.streams)
	}
}

// Report lists the policies in the order in which they were named.
func (s *Set) Report() []expertfs.ShadowStats {
	entries := make([]expertfs.ShadowStats, len(s.caches))
	for i, c := range s.caches {
		entries[i] = expertfs.ShadowStats{Policy: s.names[i], Hits: c.Uses().Hits, Accesses: c.Uses().Total(), HitRate: c.Uses().HitRate()}
	}
	return entries
}
