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
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return ErrClosed
	}
	c.setBudget(budget)
	c.policy.Resize(budget)
	c.want()
	c.observer.add(event{kind: resized, budget: budget})
	dying := c.trim()
	c.dispatch()
	c.wake()
	c.unlock()
	c.bury(dying)
	c.warnBudget(budget)
	if err := c.fitLimit(budget); err != nil {
		c.log.Warn("the kernel does not enforce the new budget", "err", err)
	}
	return nil
}

func (c *Cache) setBudget(budget int64) {
	c.budget = budget
	c.shape.Budget = budget
}

// warnBudget says so when the budget does not hold what one token uses: then
// some policies evict every expert before it is used again.
func (c *Cache) warnBudget(budget int64) {
	config := c.ck.Config()
	if need := int64(config.Layers) * int64(config.TopK) * c.charge; budget < need {
		c.log.Warn("the RAM budget is below what one token uses: expect few hits",
			"budget", humanize.IBytes(uint64(budget)), "token", humanize.IBytes(uint64(need)),
			"why", fmt.Sprintf("%d layers x %d experts x %d bytes = %d bytes", config.Layers, config.TopK, c.charge, need))
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

// fitLimit has the kernel enforce a budget, or what is in use still if that is
// more. c.resizing is held.
func (c *Cache) fitLimit(budget int64) error {
	c.mu.Lock()
	limit := max(budget/c.charge, int64(c.slots)) * c.charge
	c.mu.Unlock()
	return c.ram.SetLimit(limit)
}
