// Package shadow tells what other policies would have hit, while a cache is
// live: for each it keeps a cache without bytes that sees the same steps and
// accesses.
package shadow

import (
	"expertfs/policy"
	"expertfs/policy/sim"
)

// Set is a set of ghost caches. It is not safe for concurrent use. A call costs
// what the policies' own work costs, some microseconds, and moves no bytes; a
// live cache makes it beside its readers, not under their lock.
type Set struct {
	names  []string
	caches []*sim.Cache
	steps  policy.Steps
}

// Entry is the score of one policy since the set was made.
type Entry struct {
	Policy   string  `json:"policy"`
	Hits     int64   `json:"hits"`
	Accesses int64   `json:"accesses"`
	HitRate  float64 `json:"hit_rate"` // 0 to 1, 0 before the first access
}

// New makes ghosts of the named policies with the budget of the shape.
func New(s policy.Shape, names []string, seed uint64) (*Set, error) {
	set := &Set{names: names}
	for _, name := range names {
		c, err := sim.New(name, s, seed)
		if err != nil {
			return nil, err
		}
		set.caches = append(set.caches, c)
	}
	set.steps.Emit = func(layer int, used []policy.Key) {
		for _, c := range set.caches {
			c.Step(layer, used)
		}
	}
	return set, nil
}

// Step takes a step that the reader announced. Steps that nobody announces are
// found in the uses.
func (s *Set) Step(layer int, used []policy.Key) { s.steps.Announce(layer, used) }

// Use takes a use of an expert, whether or not it was a hit in the live cache.
func (s *Set) Use(k policy.Key) {
	s.steps.Access(k)
	for _, c := range s.caches {
		c.Access(k, &s.steps)
	}
}

// Resize gives the ghosts the budget that the live cache now has.
func (s *Set) Resize(budget int64) {
	for _, c := range s.caches {
		c.Resize(budget, &s.steps)
	}
}

// Report lists the policies in the order in which they were named.
func (s *Set) Report() []Entry {
	entries := make([]Entry, len(s.caches))
	for i, c := range s.caches {
		entries[i] = Entry{Policy: s.names[i], Hits: c.Hits(), Accesses: c.Accesses()}
		if c.Accesses() > 0 {
			entries[i].HitRate = float64(c.Hits()) / float64(c.Accesses())
		}
	}
	return entries
}
