package tiers

import (
	"slices"

	"expertfs/policy"
	"expertfs/tiers/nvme"
)

// guessChance is the chance of use that a reader's prefetch hint is worth, when
// the policy does not think better of it: published predictors of the next
// layer's experts are right in 40 to 88 cases of 100.
const guessChance = 0.5

// Touch says that experts in RAM were used without being opened again, by a
// reader that keeps them open or mapped. Others are ignored.
func (c *Cache) Touch(keys ...policy.Key) {
	c.mu.Lock()
	defer c.unlock()
	for _, k := range keys {
		if e := c.expert(k); e != nil && e.slot != nil && !c.closed {
			c.accessed(k)
			if e.slot == nil {
				continue // went, for what the step that has just ended foretells
			}
			c.use(e)
			c.hit(e)
		}
	}
}

// Step says which experts the router chose in a layer. Without it, steps are
// found in the order of opens.
func (c *Cache) Step(layer int, keys []policy.Key) {
	c.mu.Lock()
	defer c.unlock()
	if c.closed {
		return
	}
	if ended, ok := c.streams.Of(0).Announce(layer, keys); ok {
		c.stepped(ended)
	}
	c.stepped(policy.Step{Layer: layer, Used: keys})
}

// accessed looks for a step that the access of k ends.
func (c *Cache) accessed(k policy.Key) {
	if ended, ok := c.streams.Of(0).Access(k); ok {
		c.stepped(ended)
	}
}

// stepped takes a step, announced or found. Guesses about its layer that were
// wrong and have not been read to the end are given up.
func (c *Cache) stepped(s policy.Step) {
	layer, keys := s.Layer, s.Used
	c.step, c.layer = c.due(layer), layer
	kind := stepAnnounced
	if s.Found {
		kind = stepFound
	}
	c.observer.add(event{kind: kind, layer: layer, keys: keys})
	c.heat.Step(s)
	c.policy.Step(s)
	for _, l := range c.guesses {
		if int(l.e.key.Layer) == layer && !l.warming && !slices.Contains(keys, l.e.key) {
			l.late = true
			if l.job != nil {
				l.job.Drop()
			}
		}
	}
	c.foresee(len(keys))
}

// Prefetch says that experts will probably be used soon. A guess gets the time
// of the drive that readers leave, and a slot that is free or holds what the
// policy gives a smaller chance. Guesses beyond Options.PrefetchBytes under way
// are dropped.
func (c *Cache) Prefetch(keys ...policy.Key) {
	c.mu.Lock()
	defer c.unlock()
	for _, k := range keys {
		e := c.expert(k)
		if e == nil || e.slot != nil || e.load != nil || c.closed {
			continue
		}
		c.counters.prefetches++
		chance := guessChance
		if valuer, ok := c.policy.(policy.Valuer); ok {
			chance = max(chance, valuer.Value(k))
		}
		if !c.guess(e, chance) {
			c.counters.dropped++
		}
	}
}

// guess begins a prefetch of what will be used with a given chance, if there is
// room for it.
func (c *Cache) guess(e *entry, chance float64) bool {
	if int64(len(c.guesses)+1)*c.charge > c.options.PrefetchBytes || len(c.line) > 0 {
		return false
	}
	if len(c.free) == 0 && !c.mayGrow() && !c.worth(chance) {
		return false
	}
	l := c.newLoad(e, nvme.Prefetch)
	l.due = c.due(int(e.key.Layer))
	if !c.assign(l) {
		e.load = nil
		return false
	}
	c.guesses = append(c.guesses, l)
	c.launch(l)
	return true
}

// due numbers the next step of a layer: steps count up with the layers of each
// token, so that guesses can be ordered by when they are wanted.
func (c *Cache) due(layer int) int64 {
	layers := c.shape.Layers
	return c.step + 1 + int64((layer-c.layer-1+layers)%layers)
}

// worth tells whether a guess that comes true with some chance is worth the best
// victim. What is about to be used, for certain or as another guess, is not
// given for it.
func (c *Cache) worth(chance float64) bool {
	v := c.victim()
	if v == nil || c.streams.Active(v.key) || c.unproved(v) {
		return false
	}
	valuer, ok := c.policy.(policy.Valuer)
	return !ok || valuer.Value(v.key) < chance
}

// promote makes a guess a load that a reader waits for. It came too late to be
// a hit.
func (c *Cache) promote(l *load) {
	if !l.warming {
		c.counters.late++
	}
	l.class = nvme.Demand
	l.late = false
	c.unguess(l)
	if l.job != nil {
		l.job.Promote()
	}
}

// unguess takes a load off the guesses, if it is one.
func (c *Cache) unguess(l *load) {
	if i := slices.Index(c.guesses, l); i >= 0 {
		c.guesses = slices.Delete(c.guesses, i, i+1)
	}
}
