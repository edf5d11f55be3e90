package tiers

import (
	"time"

	"expertfs/tiers/ram"
)

// poll is how often the keeper looks again at slots that a process maps, of
// whose unmapping nobody tells.
const poll = 5 * time.Millisecond

// Watermarks: a miss finds its victim itself, in 0.1 to 5 us by the policy and
// half a us for the lease, where the load takes some ms. Slots kept ready
// spare it that and hold fewer experts, so both marks are at the whole budget
// unless asked for. They help where many victims are mapped and must be passed
// over.

// batch bounds the evictions for the watermarks that are done while readers
// wait for the lock.
const batch = 16

// victims returns up to n residents that can be evicted, the best first: those
// without handles that no process maps. Guesses that are soon to be proved come
// late, because the policy often thinks little of them, not knowing what made
// them likely; after them only the experts of the step in progress.
func (c *Cache) victims(n int) []*entry {
	n = min(n, c.residents-c.held)
	if n <= 0 {
		return nil
	}
	found := make([]*entry, 0, n)
	var guesses, active []*entry
	for k := range c.streams.Victims(c.policy) {
		e := c.expert(k)
		switch {
		case e.pins > 0:
		case c.unproved(e):
			guesses = append(guesses, e)
		case c.streams.Active(k):
			active = append(active, e)
		case e.slot.Idle():
			if found = append(found, e); len(found) == n {
				return found
			}
		}
	}
	for _, e := range append(guesses, active...) {
		if len(found) < n && e.slot.Idle() {
			found = append(found, e)
		}
	}
	return found
}

// provedWithin is how many layers ahead a guess is spared. More would let a
// reader that guesses far ahead shut out what is used.
const provedWithin = 4

// unproved tells whether a resident is a guess about one of the next layers.
func (c *Cache) unproved(e *entry) bool {
	ahead := e.due - c.step
	return e.guess && 0 < ahead && ahead <= provedWithin
}

// victim returns the best victim, nil when every resident is held.
func (c *Cache) victim() *entry {
	if v := c.victims(1); len(v) > 0 {
		return v[0]
	}
	return nil
}

// evict makes a resident absent and returns its slot. The caller has found it
// to be no longer held, and has kept the lock since.
func (c *Cache) evict(e *entry) *ram.Slot {
	slot := e.slot
	e.slot = nil
	c.residents--
	c.policy.Remove(e.key)
	c.counters.evictions++
	if e.guess {
		e.guess = false
		c.counters.wasted++
	}
	return slot
}

// over tells whether there are more slots than the budget allows, which is so
// while it has shrunk and the excess is held.
func (c *Cache) over() bool { return int64(c.slots)*c.charge > c.budget }

// inUse is the number of slots that hold an expert or wait for one.
func (c *Cache) inUse() int { return c.slots - c.dying - len(c.free) }

// above tells whether the slots in use exceed a share of the budget. All of it
// is never exceeded.
func (c *Cache) above(share float64) bool {
	return share < 1 && float64(c.inUse())*float64(c.charge) > share*float64(c.budget)
}

// trim returns the slots to close because the budget has shrunk, and evicts
// down to the low watermark when the high one is passed.
func (c *Cache) trim() (dying []*ram.Slot) {
	for excess := c.slots - c.dying - int(c.budget/c.charge); excess > 0; excess-- {
		if n := len(c.free); n > 0 {
			dying, c.free = append(dying, c.free[n-1]), c.free[:n-1]
		} else if v := c.victim(); v != nil {
			dying = append(dying, c.evict(v))
		} else {
			break
		}
		c.dying++
	}
	if c.above(c.options.High) {
		c.draining = true
	}
	if c.draining {
		n := c.inUse() - int(c.options.Low*float64(c.budget)/float64(c.charge))
		found := c.victims(min(n, batch))
		for _, v := range found {
			c.free = append(c.free, c.evict(v))
		}
		c.draining = n > len(found) && len(found) == batch
	}
	return dying
}

// bury closes slots that trim has returned. c.mu is not held.
func (c *Cache) bury(dying []*ram.Slot) {
	for _, s := range dying {
		c.die(s)
	}
	c.mu.Lock()
	c.slots -= len(dying)
	c.dying -= len(dying)
	c.dispatch()
	c.unlock()
}

// keep does what nobody waits for: it trims, looks again at slots that were
// mapped, and ends waits that were too long.
func (c *Cache) keep() {
	for {
		c.mu.Lock()
		c.expire(time.Now())
		dying := c.trim()
		c.dispatch()
		c.warm()
		var again <-chan time.Time
		if len(c.line) > 0 || c.over() || c.draining {
			again = time.After(poll)
		}
		c.unlock()
		if len(dying) > 0 {
			c.shrink(dying)
		}
		select {
		case <-c.stop:
			return
		case <-c.kick:
		case <-again:
		}
	}
}

// shrink closes slots and lowers the kernel's limit.
func (c *Cache) shrink(dying []*ram.Slot) {
	c.resizing.Lock()
	defer c.resizing.Unlock()
	c.bury(dying)
	if err := c.fitLimit(c.Budget()); err != nil {
		c.log.Warn("the kernel does not enforce the new budget", "err", err)
	}
}

// wake has the keeper look.
func (c *Cache) wake() {
	select {
	case c.kick <- struct{}{}:
	default: // it will look anyway
	}
}

// wakeIfAbove has the keeper evict where there is cause to.
func (c *Cache) wakeIfAbove() {
	if c.over() || c.above(c.options.High) {
		c.wake()
	}
}

// expire ends the loads that have waited too long for a slot.
func (c *Cache) expire(now time.Time) {
	for len(c.line) > 0 {
		l := c.line[0]
		if now.Before(l.deadline) {
			return
		}
		err := error(ErrBusy)
		if l.short != nil {
			err = l.short
		}
		c.counters.busy++
		c.leaveLine(l, err)
	}
}
