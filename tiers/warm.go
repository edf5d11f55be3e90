package tiers

import (
	"math"

	"expertfs/policy"
	"expertfs/tiers/nvme"
)

// SetPolicy changes the policy. Residents stay; the new policy is told of them
// in the order of their use, and of the heat learned so far.
func (c *Cache) SetPolicy(spec string) error {
	c.mu.Lock()
	defer c.unlock()
	return c.usePolicy(spec)
}

// PolicySpec returns the policy in use, as it was given.
func (c *Cache) PolicySpec() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spec
}

func (c *Cache) usePolicy(spec string) error {
	p, err := policy.New(spec, c.shape, c.options.Seed)
	if err != nil {
		return err
	}
	if w, ok := p.(policy.Warmer); ok {
		w.Warm(c.heat)
	}
	for _, e := range c.byUse() {
		p.Insert(e.key, c.charge)
	}
	c.policy, c.spec = p, spec
	c.want()
	return nil
}

// want asks the policy what to load before it is used.
func (c *Cache) want() {
	c.wanted = nil
	if w, ok := c.policy.(policy.Prewarmer); ok {
		c.wanted = w.Wanted()
		c.wake()
	}
}

// Heat returns how often each expert was used until now, Options.Heat included.
// It is a copy, also to be had of a closed cache.
func (c *Cache) Heat() *policy.Heat {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := policy.NewHeat(c.shape)
	for l, row := range c.experts {
		for _, e := range row {
			h.Set(e.key, c.heat.Rate(e.key), c.heat.Visits(l))
		}
	}
	return h
}

// warm goes on to load what the policy wants, a few at a time, while there are
// slots that nobody has had. It stops for good where there are none.
func (c *Cache) warm() {
	for !c.closed && len(c.wanted) > 0 && int64(len(c.guesses)+1)*c.charge <= c.options.PrefetchBytes {
		if len(c.line) > 0 || c.over() || len(c.free) == 0 && !c.mayGrow() || c.above(c.options.High) {
			c.wanted = nil
			return
		}
		e := c.expert(c.wanted[0])
		c.wanted = c.wanted[1:]
		if e == nil || e.slot != nil || e.load != nil {
			continue
		}
		l := c.newLoad(e, nvme.Prefetch)
		l.warming, l.due = true, math.MaxInt64
		c.assign(l)
		c.guesses = append(c.guesses, l)
		c.launch(l)
	}
}
