package tiers

import (
	"time"

	"expertfs"
)

// When readers hold every slot, an open waits for one. A reader that itself holds
// its part of the slots, or more, is refused in the end: it can help itself. One
// that holds less is served from the drive, so that no reader is ever refused
// because of another that does not let go.

// crowdMemory is how long after a crowded open the next ones do not wait as long
// again.
const (
	crowdMemory  = 10 * time.Second
	crowdedPause = 20 * time.Millisecond
)

// belowPart tells whether a reader has fewer experts open than its part of the
// slots. The guard is held.
func (c *Cache) belowPart(s *stream) bool {
	holders := int64(0)
	for _, o := range c.streams.list {
		if o == s || o.pins.Load() > 0 {
			holders++
		}
	}
	return s.pins.Load()*c.slots.bytes*max(holders, 1) < c.slots.budget
}

// patience is how long an open of a reader waits for a slot.
func (c *Cache) patience(s *stream) time.Duration {
	switch {
	case !c.belowPart(s):
		return c.options.MaxWait
	case time.Since(c.crowdedAt) < crowdMemory:
		return min(c.options.MaxWait, c.options.CrowdWait, crowdedPause)
	}
	return min(c.options.MaxWait, c.options.CrowdWait)
}

// refuse ends an open that has waited for a slot in vain. It is remembered, so that
// it counts once when it comes again.
func (c *Cache) refuse(s *stream, k expertfs.Key) error {
	c.guard.Lock()
	defer c.guard.Unlock()
	s.refused = append(s.refused, k)
	if len(s.refused) > maxRefused {
		s.refused = s.refused[1:]
	}
	if c.belowPart(s) {
		c.crowdedAt = time.Now()
		return ErrCrowded
	}
	c.observer.busy++
	return ErrBusy
}

// maxRefused bounds the refused opens of a reader that are remembered.
const maxRefused = 64

// again tells whether an open was refused before, so that it is counted already.
func (s *stream) again(k expertfs.Key) bool {
	for i, o := range s.refused {
		if o == k {
			s.refused = append(s.refused[:i], s.refused[i+1:]...)
			return true
		}
	}
	return false
}
