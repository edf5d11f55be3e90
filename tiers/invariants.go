package tiers

import (
	"fmt"
	"time"

	"expertfs/tiers/ram"
)

// changed ends each change under the guard. It returns the invariant that the
// change has broken, where they are checked.
func (c *Cache) changed() error {
	c.slots.peak = max(c.slots.peak, c.slots.count)
	if !checkAlways && !c.options.checked || c.loader.closed {
		return nil
	}
	return c.checkInvariants()
}

// checkInvariants returns an error that names the invariant of the package
// comment that does not hold.
func (c *Cache) checkInvariants() error {
	t, slots := c.table, c.slots
	seen := map[*ram.Slot]string{}
	take := func(s *ram.Slot, who string) error {
		if other, ok := seen[s]; ok {
			return fmt.Errorf("INVARIANT 3: one slot is used by %s and %s", other, who)
		}
		seen[s] = who
		return nil
	}
	for _, s := range slots.free {
		if err := take(s, "the free list"); err != nil {
			return err
		}
	}
	residents, pinned, unmade := 0, 0, 0
	for _, row := range t.experts {
		for _, e := range row {
			switch {
			case e.slot != nil && e.load != nil:
				return fmt.Errorf("INVARIANT 2: %s is resident and loading", e.name)
			case !t.shown.says(e.key, e.slot != nil):
				return fmt.Errorf("INVARIANT 2: readers are not shown whether %s is resident: %v", e.name, e.slot != nil)
			case e.pins < 0 || e.pins > 0 && e.slot == nil:
				return fmt.Errorf("INVARIANT 4: %s has %d handles, resident: %v", e.name, e.pins, e.slot != nil)
			case e.slot != nil:
				residents++
				if e.pins > 0 {
					pinned++
				}
				if err := take(e.slot, e.name); err != nil {
					return err
				}
			case e.load != nil && e.load.slot != nil:
				if err := take(e.load.slot, e.name); err != nil {
					return err
				}
			case e.load != nil:
				unmade++ // in the queue, or its slot is being made
			}
		}
	}
	unmade -= len(c.loader.queue)
	switch {
	case int64(slots.count)*slots.bytes > slots.budget && slots.count > slots.last:
		return fmt.Errorf("INVARIANT 1: grew from %d to %d slots of %d bytes over a budget of %d", slots.last, slots.count, slots.bytes, slots.budget)
	case residents != t.residents:
		return fmt.Errorf("INVARIANT 2: counted %d residents, there are %d", t.residents, residents)
	case len(seen)+unmade+slots.retiring != slots.count:
		return fmt.Errorf("INVARIANT 3: %d slots in use, %d about to be made, %d retiring, but %d counted", len(seen), unmade, slots.retiring, slots.count)
	case pinned != t.pinned:
		return fmt.Errorf("INVARIANT 4: counted %d pinned, there are %d", t.pinned, pinned)
	case int64(len(c.loader.speculative))*slots.bytes > c.prefetch.bytes:
		return fmt.Errorf("INVARIANT 6: %d prefetches of %d bytes under way, allowed are %d bytes", len(c.loader.speculative), slots.bytes, c.prefetch.bytes)
	}
	slots.last = slots.count
	if err := c.checkAhead(); err != nil {
		return err
	}
	return c.checkQueue()
}

// checkQueue checks INVARIANT 5.
func (c *Cache) checkQueue() error {
	for _, l := range c.loader.queue {
		switch {
		case l.slot != nil:
			return fmt.Errorf("INVARIANT 5: %s waits in the queue with a slot", l.e.name)
		case l.waiters < 1:
			return fmt.Errorf("INVARIANT 5: nobody waits for %s", l.e.name)
		case time.Since(l.deadline) > time.Minute:
			return fmt.Errorf("INVARIANT 5: %s waits in the queue past its deadline", l.e.name)
		}
	}
	return nil
}

// checkAhead checks INVARIANT 8.
func (c *Cache) checkAhead() error {
	ahead := map[*stream]int{}
	for _, row := range c.table.experts {
		for _, e := range row {
			if e.load != nil && e.load.ahead != nil {
				ahead[e.load.ahead]++
			}
			if e.due && e.slot == nil && e.load == nil {
				return fmt.Errorf("INVARIANT 8: a miss of %s is due, which is absent", e.name)
			}
		}
	}
	for s, n := range ahead {
		if n != s.ahead || n > c.shape.TopK {
			return fmt.Errorf("INVARIANT 8: %d loads for announcements of stream %d, %d counted", n, s.number, s.ahead)
		}
	}
	return nil
}
