package tiers

import (
	"fmt"
	"time"

	"expertfs/tiers/ram"
)

// unlock ends a change. Where invariants are checked it panics if the change
// has broken one.
func (c *Cache) unlock() {
	c.counters.peak = max(c.counters.peak, int64(c.slots)*c.charge)
	if checkAlways || c.options.checked {
		if err := c.checkInvariants(); err != nil {
			c.mu.Unlock()
			panic(err)
		}
	}
	c.mu.Unlock()
}

// checkInvariants returns an error that names the invariant of the package
// comment that does not hold.
func (c *Cache) checkInvariants() error {
	if c.closed {
		return nil
	}
	seen := map[*ram.Slot]string{}
	take := func(s *ram.Slot, who string) error {
		if other, ok := seen[s]; ok {
			return fmt.Errorf("INVARIANT 3: one slot is used by %s and %s", other, who)
		}
		seen[s] = who
		return nil
	}
	for _, s := range c.free {
		if err := take(s, "the free list"); err != nil {
			return err
		}
	}
	residents, held, unmade := 0, 0, 0
	for _, row := range c.experts {
		for _, e := range row {
			switch {
			case e.slot != nil && e.load != nil:
				return fmt.Errorf("INVARIANT 2: %s is resident and loading", e.name)
			case e.pins < 0 || e.pins > 0 && e.slot == nil:
				return fmt.Errorf("INVARIANT 4: %s has %d handles, resident: %v", e.name, e.pins, e.slot != nil)
			case e.slot != nil:
				residents++
				if e.pins > 0 {
					held++
				}
				if err := take(e.slot, e.name); err != nil {
					return err
				}
			case e.load != nil && e.load.slot != nil:
				if err := take(e.load.slot, e.name); err != nil {
					return err
				}
			case e.load != nil:
				unmade++ // in line, or its slot is being made
			}
		}
	}
	unmade -= len(c.line)
	switch {
	case int64(c.slots)*c.charge > c.budget && int64(c.slots) > c.lastSlots:
		return fmt.Errorf("INVARIANT 1: grew from %d to %d slots of %d bytes over a budget of %d", c.lastSlots, c.slots, c.charge, c.budget)
	case residents != c.residents:
		return fmt.Errorf("INVARIANT 2: counted %d residents, there are %d", c.residents, residents)
	case len(seen)+unmade+c.dying != c.slots:
		return fmt.Errorf("INVARIANT 3: %d slots in use, %d about to be made, %d dying, but %d counted", len(seen), unmade, c.dying, c.slots)
	case held != c.held:
		return fmt.Errorf("INVARIANT 4: counted %d held, there are %d", c.held, held)
	case int64(len(c.guesses))*c.charge > c.options.PrefetchBytes:
		return fmt.Errorf("INVARIANT 6: %d prefetches of %d bytes under way, allowed are %d bytes", len(c.guesses), c.charge, c.options.PrefetchBytes)
	}
	c.lastSlots = int64(c.slots)
	return c.checkLine()
}

// checkLine checks INVARIANT 5.
func (c *Cache) checkLine() error {
	for _, l := range c.line {
		switch {
		case l.slot != nil:
			return fmt.Errorf("INVARIANT 5: %s waits in line with a slot", l.e.name)
		case l.waiters < 1:
			return fmt.Errorf("INVARIANT 5: nobody waits for %s", l.e.name)
		case time.Since(l.deadline) > time.Minute:
			return fmt.Errorf("INVARIANT 5: %s waits in line past its deadline", l.e.name)
		}
	}
	return nil
}
