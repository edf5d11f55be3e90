package tiers

import (
	"errors"
	"fmt"
	"time"

	"expertfs/tiers/ram"

	"github.com/dustin/go-humanize"
)

// ErrBudget is a budget too small to work with.
var ErrBudget = errors.New("the RAM budget is too small")

// Budget returns the bytes that experts may take in RAM.
func (c *Cache) Budget() int64 {
	c.guard.Lock()
	defer c.guard.Unlock()
	return c.slots.budget
}

// SetBudget changes the bytes that experts may take. Experts that are pinned
// beyond a smaller budget stay until they are let go; no other expert is loaded
// meanwhile. After an error, ErrBudget or the kernel's refusal of more, the
// budget is what it was.
func (c *Cache) SetBudget(budget int64) error {
	c.resizing.Lock()
	defer c.resizing.Unlock()
	if err := c.allowed(budget); err != nil {
		return err
	}
	// The kernel's limit goes up before slots are made, and down after they
	// are closed.
	if budget > c.Budget() {
		if err := c.fitLimit(budget); err != nil {
			return err
		}
	}
	c.guard.Lock()
	if c.loader.closed {
		c.guard.Unlock()
		return ErrClosed
	}
	c.slots.budget = budget
	c.evictor.policy.Resize(budget)
	c.prefetch.ask()
	c.observer.events.add(event{kind: resized, budget: budget})
	retiring := c.trim()
	c.loader.dispatch()
	c.wake()
	c.guard.Unlock()
	c.retire(retiring)
	c.warnBudget(budget)
	if err := c.fitLimit(budget); err != nil {
		c.log.Warn("the kernel does not enforce the new budget", "err", err)
	}
	return nil
}

// warnBudget says so when the budget does not hold what one token uses: then
// some policies evict every expert before it is used again.
func (c *Cache) warnBudget(budget int64) {
	config := c.ck.Config()
	if need := int64(config.Layers) * int64(config.TopK) * c.slots.bytes; budget < need {
		c.log.Warn("the RAM budget is below what one token uses: expect few hits",
			"budget", humanize.IBytes(uint64(budget)), "token", humanize.IBytes(uint64(need)),
			"why", fmt.Sprintf("%d layers x %d experts x %d bytes = %d bytes", config.Layers, config.TopK, c.slots.bytes, need))
	}
}

// allowed returns an error for a budget below the experts that a token uses in
// one layer, which a reader has open at the same time.
func (c *Cache) allowed(budget int64) error {
	top := int64(c.ck.Config().TopK)
	if need := top * c.slots.bytes; budget < need {
		return fmt.Errorf("%w: %s (%d bytes), but a reader holds %d experts x %d bytes = %s (%d bytes) at once",
			ErrBudget, humanize.IBytes(uint64(max(budget, 0))), budget, top, c.slots.bytes, humanize.IBytes(uint64(need)), need)
	}
	return nil
}

// fitLimit has the kernel enforce a budget, or what is in use still if that is
// more. c.resizing is held.
func (c *Cache) fitLimit(budget int64) error {
	c.guard.Lock()
	limit := max(budget/c.slots.bytes, int64(c.slots.count)) * c.slots.bytes
	c.guard.Unlock()
	return c.loader.fill.experts.SetLimit(limit)
}

// The keeper looks again at slots that a process maps, because nothing tells
// when a mapping ends: soon at first, then ever less often while nothing
// changes.
const (
	pollFirst = 5 * time.Millisecond
	pollLast  = 100 * time.Millisecond
)

// evictBatch bounds the evictions for the watermarks that are done while readers
// wait for the lock.
const evictBatch = 16

// keep does what nobody waits for: it trims, looks again at slots that were
// mapped, and ends waits that were too long.
func (c *Cache) keep() {
	poll := pollFirst
	for {
		c.guard.Lock()
		now := time.Now()
		c.loader.expire(now)
		retiring := c.trim()
		c.loader.dispatch()
		c.prefetch.warm()
		idle, again := c.denseIdle(now)
		switch {
		case len(c.loader.queue) > 0:
			// Somebody waits, and waits no longer than needed.
			c.squeeze.tighten(now)
			again = pollFirst
		case c.slots.draining:
			again = pollFirst
		case c.slots.over():
			again = poll
			poll = min(2*poll, pollLast)
		}
		c.guard.Unlock()
		for _, s := range idle {
			c.loader.fill.closeSlot(s)
		}
		if len(retiring) > 0 {
			c.shrink(retiring)
		}
		var after <-chan time.Time
		if again > 0 {
			after = time.After(again)
		}
		select {
		case <-c.stop:
			return
		case <-c.kick:
			poll = pollFirst
		case <-after:
		}
	}
}

// wake has the keeper look.
func (c *Cache) wake() {
	select {
	case c.kick <- struct{}{}:
	default: // it will look anyway
	}
}

// trim returns the slots to close because the budget has shrunk, and evicts
// down to the low watermark when the high one is passed. The guard is held.
func (c *Cache) trim() (retiring []*ram.Slot) {
	excess := c.slots.excess()
	for ; excess > 0; excess-- {
		s := c.slots.retire(nil)
		if s == nil {
			break
		}
		retiring = append(retiring, s)
	}
	for _, v := range c.evictor.victims(excess) {
		retiring = append(retiring, c.slots.retire(c.evictor.evict(v)))
	}
	if n := c.slots.surplus(); n > 0 || c.slots.draining {
		found := c.evictor.victims(min(n, evictBatch))
		for _, v := range found {
			c.slots.give(c.evictor.evict(v))
		}
		c.slots.draining = n > len(found) && len(found) == evictBatch
	}
	return retiring
}

// shrink closes slots and lowers the kernel's limit.
func (c *Cache) shrink(retiring []*ram.Slot) {
	c.resizing.Lock()
	defer c.resizing.Unlock()
	c.retire(retiring)
	if err := c.fitLimit(c.Budget()); err != nil {
		c.log.Warn("the kernel does not enforce the new budget", "err", err)
	}
}

// retire closes slots that trim has returned. The guard is not held.
func (c *Cache) retire(retiring []*ram.Slot) {
	for _, s := range retiring {
		c.loader.fill.closeSlot(s)
	}
	c.guard.Lock()
	defer c.guard.Unlock()
	c.slots.retired(len(retiring))
	c.loader.dispatch()
}
