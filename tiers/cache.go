package tiers

import (
	"log/slog"
	"sync"
	"time"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/policy"
)

// Cache serves the experts of a checkpoint from RAM. Its methods may be called
// concurrently.
//
// It is the front of the parts below, which share one lock; see the package
// comment.
type Cache struct {
	options Options
	log     *slog.Logger
	ck      *checkpoint.Checkpoint
	shape   expertfs.Shape // its Budget is that of the start

	resizing sync.Mutex // guards the kernel's limit; taken before guard
	guard    guard

	table     *table
	slots     *slots
	evictor   *evictor
	loader    *loader
	prefetch  *prefetcher
	streams   *streams
	observer  *observer
	squeeze   squeeze
	mappings  Seldom[int]
	crowdedAt time.Time // of the last open served from the drive; GUARDED BY guard
	shared    *Reader   // of those who cannot be told apart

	kick   chan struct{} // wakes the keeper
	stop   chan struct{}
	keeper sync.WaitGroup
}

// SetPolicy changes the policy. Residents stay; the new policy is told of them
// in the order of their use, and of what was learned so far: the heat, and numbers of
// a policy of its kind.
func (c *Cache) SetPolicy(spec string) error {
	c.guard.Lock()
	shape := c.shape
	shape.Budget = c.slots.budget
	c.guard.Unlock()
	// The tables of a policy may be large, so they are made beside the lock.
	p, err := policy.New(spec, shape, c.options.Seed)
	if err != nil {
		return err
	}
	c.guard.Lock()
	defer c.guard.Unlock()
	if c.slots.budget != shape.Budget {
		p.Resize(c.slots.budget)
	}
	c.evictor.use(p, spec, c.observer.heat)
	c.prefetch.ask()
	return nil
}

// PolicySpec returns the policy in use, as it was given.
func (c *Cache) PolicySpec() string {
	c.guard.Lock()
	defer c.guard.Unlock()
	return c.evictor.spec
}

// Heat returns how often each expert was used until now, Options.Heat included.
// It is a copy, also to be had of a closed cache.
func (c *Cache) Heat() *policy.Heat {
	c.guard.Lock()
	defer c.guard.Unlock()
	h := policy.NewHeat(c.shape)
	for l, row := range c.table.experts {
		for _, e := range row {
			h.Set(e.key, c.observer.heat.Rate(e.key), c.observer.heat.Visits(l))
		}
	}
	return h
}

// Learns tells whether Learned returns anything, without a copy of it.
func (c *Cache) Learns() bool {
	c.guard.Lock()
	defer c.guard.Unlock()
	return c.evictor.known().Kind != ""
}

// Learned returns what the policy has learned until now, or the last one that
// learned. It is a copy, also to be had of a closed cache.
func (c *Cache) Learned() policy.Learned {
	c.guard.Lock()
	lent := c.evictor.known()
	c.guard.Unlock()
	l := policy.Learned{Kind: lent.Kind}
	for _, part := range lent.Parts { // each for itself: together they may be some ten MB
		own := make([]float32, len(part))
		c.guard.Lock()
		copy(own, part)
		c.guard.Unlock()
		l.Parts = append(l.Parts, own)
	}
	return l
}

// learn takes a step into what is learned of uses: the policy, the heat, and
// those who watch. The guard is held.
func (c *Cache) learn(s *stream, step policy.Step) {
	s.advance(step.Layer)
	c.observer.stepped(step)
	c.evictor.policy.Step(step)
}
