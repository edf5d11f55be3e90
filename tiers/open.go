package tiers

import (
	"context"
	"fmt"
	"time"

	"expertfs/policy"
	"expertfs/tiers/nvme"
	"expertfs/tiers/ram"
)

// Handle is an open file of the RAM tier. Its bytes stay until Release, and
// after it for those who have mapped the slot.
type Handle struct {
	c    *Cache
	e    *entry
	slot *ram.Slot
}

// Slot returns where the bytes are.
func (h *Handle) Slot() *ram.Slot { return h.slot }

// Bytes returns the bytes of the file, which must not be changed.
func (h *Handle) Bytes() []byte { return h.slot.Bytes() }

// Size returns the length of the file.
func (h *Handle) Size() int64 { return h.slot.Size() }

// Release ends the use of a handle. It must be called once.
func (h *Handle) Release() {
	h.c.mu.Lock()
	defer h.c.unlock()
	h.c.unpin(h.e)
}

// Open returns the bytes of an expert, when they are in RAM. It gives up with
// the context's error, with ErrBusy when readers hold every slot for too long,
// and with a *LoadError; a load that it began goes on for others without it.
func (c *Cache) Open(ctx context.Context, k policy.Key) (*Handle, error) {
	e := c.expert(k)
	if e == nil {
		return nil, fmt.Errorf("%w: layer %d expert %d", ErrRange, k.Layer, k.Expert)
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, ErrClosed
	}
	c.accessed(k)
	c.use(e)
	if e.slot != nil {
		c.hit(e)
		h := c.pin(e)
		c.unlock()
		return h, nil
	}
	return c.wait(ctx, e)
}

// wait joins the load of e, or begins one, and waits for it. c.mu is held, and
// released.
func (c *Cache) wait(ctx context.Context, e *entry) (*Handle, error) {
	l := e.load
	switch {
	case l == nil:
		c.miss(e)
		l = c.begin(e)
	case l.class == nvme.Prefetch:
		c.miss(e)
		c.promote(l)
	default:
		c.counters.joins++
	}
	l.waiters++
	c.unlock()
	select {
	case <-l.done:
	case <-ctx.Done():
		if c.leave(l) {
			return nil, ctx.Err()
		}
	}
	if l.err != nil {
		return nil, l.err
	}
	return &Handle{c, e, l.slot}, nil
}

// leave ends the wait of one open for l. It fails when l is over: then the
// open has its handle.
func (c *Cache) leave(l *load) bool {
	c.mu.Lock()
	defer c.unlock()
	if l.over {
		return false
	}
	l.waiters--
	if l.waiters == 0 {
		c.leaveLine(l, context.Canceled)
	}
	return true
}

// use notes that a file is used now. c.mu is held, as in all that follows.
func (c *Cache) use(e *entry) {
	e.last = time.Now()
	c.uses++
	e.used = c.uses
}

// pin makes a handle of a resident.
func (c *Cache) pin(e *entry) *Handle {
	c.addPins(e, 1)
	return &Handle{c, e, e.slot}
}

func (c *Cache) addPins(e *entry, n int) {
	if e.pins == 0 && n > 0 && !e.dense {
		c.held++
	}
	e.pins += n
}

func (c *Cache) unpin(e *entry) {
	e.pins--
	if e.pins == 0 && !e.dense {
		c.held--
		c.dispatch()
		c.wakeIfAbove()
	}
}

// hit counts the use of a resident expert.
func (c *Cache) hit(e *entry) {
	e.hits++
	c.counters.hits++
	if e.guess {
		e.guess = false
		c.counters.useful++
	}
	c.policy.Touch(e.key)
	c.observer.add(event{kind: used, key: e.key})
}

// miss counts the use of a file that is not in RAM.
func (c *Cache) miss(e *entry) {
	if !e.dense {
		c.counters.misses++
		c.observer.add(event{kind: used, key: e.key})
	}
}
