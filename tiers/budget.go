package tiers

import (
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"
)

// ErrBudget is a budget too small to work with.
var ErrBudget = errors.New("tiers: the RAM budget is too small")

// Budget returns the bytes that experts may take in RAM.
func (c *Cache) Budget() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.budget
}

// SetBudget changes the bytes that experts may take. Experts that are held
// beyond a smaller budget stay until they are let go; no other expert is loaded
// meanwhile. The error is ErrBudget, or the kernel's refusal.
func (c *Cache) SetBudget(budget int64) error {
	c.resizing.Lock()
	defer c.resizing.Unlock()
	if err := c.allowed(budget); err != nil {
		return err
	}
	// The kernel's limit goes up before slots are made, and down after they
	// are closed.
	if limit := c.wholeSlots(budget); limit > c.wholeSlots(c.Budget()) {
		if err := c.ram.SetLimit(limit); err != nil {
			return err
		}
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return ErrClosed
	}
	c.setBudget(budget)
	c.policy.Resize(budget)
	dying := c.trim()
	c.dispatch()
	c.wake()
	c.unlock()
	c.bury(dying)
	return nil
}

func (c *Cache) setBudget(budget int64) {
	c.budget = budget
	c.shape.Budget = budget
	if need := c.tokens * c.charge; budget < need {
		c.log.Warn("the RAM budget is below what one token uses: expect few hits",
			"budget", humanize.IBytes(uint64(budget)),
			"one token", fmt.Sprintf("%d experts x %s = %s", c.tokens, humanize.IBytes(uint64(c.charge)), humanize.IBytes(uint64(need))))
	}
}

// allowed returns an error for a budget below the experts that a token uses in
// one layer, which a reader has open at the same time.
func (c *Cache) allowed(budget int64) error {
	top := int64(c.ck.Config().TopK)
	if need := top * c.charge; budget < need {
		return fmt.Errorf("%w: %s (%d bytes), but a reader holds %d experts x %d bytes = %s (%d bytes) at once",
			ErrBudget, humanize.IBytes(uint64(max(budget, 0))), budget, top, c.charge, humanize.IBytes(uint64(need)), need)
	}
	return nil
}

// wholeSlots is the part of a budget that slots can take.
func (c *Cache) wholeSlots(budget int64) int64 { return budget / c.charge * c.charge }

// fitLimit has the kernel enforce the budget, or what is in use still if that
// is more.
func (c *Cache) fitLimit() {
	c.mu.Lock()
	limit := max(c.wholeSlots(c.budget), int64(c.slots)*c.charge)
	c.mu.Unlock()
	if err := c.ram.SetLimit(limit); err != nil {
		c.log.Warn("the kernel does not enforce the new budget", "err", err)
	}
}
