package tiers

import (
	"context"
	"fmt"
	"slices"
	"time"

	"expertfs"
	"expertfs/tiers/ram"
)

// Handle is an open file of the RAM tier. Its bytes stay until Release, and
// after it for those who have mapped the slot.
type Handle struct {
	c    *Cache
	s    *stream // nil for dense files
	e    *entry
	slot *ram.Slot
	leak leakCheck
}

// Slot returns where the bytes are.
func (h *Handle) Slot() *ram.Slot { return h.slot }

// Bytes returns the bytes of the file, which must not be changed.
func (h *Handle) Bytes() []byte { return h.slot.Bytes() }

// Size returns the length of the file.
func (h *Handle) Size() int64 { return h.slot.Size() }

// Release ends the use of a handle. It must be called once.
func (h *Handle) Release() {
	h.leak.released()
	c := h.c
	c.guard.Lock()
	defer c.guard.Unlock()
	if h.s != nil {
		h.s.pins.Add(-1)
	}
	last := c.table.unpin(h.e)
	if c.loader.closed {
		return
	}
	if h.e.dense && h.e.pins == 0 {
		h.e.last = time.Now()
		c.wake()
	}
	if !last {
		return
	}
	c.loader.dispatch()
	if c.slots.over() || c.slots.above(c.slots.high) {
		c.wake()
	}
}

// Open returns the bytes of an expert, when they are in RAM. It gives up with
// the context's error, with ErrBusy when readers hold every slot for too long, with
// ErrCrowded when others do, so that it is read from the drive, and with a
// *LoadError; a load that it began goes on for others without it.
func (r *Reader) Open(ctx context.Context, k expertfs.Key) (*Handle, error) {
	c := r.c
	e := c.table.expert(k)
	if e == nil {
		return nil, fmt.Errorf("%w: layer %d expert %d", ErrRange, k.Layer, k.Expert)
	}
	c.guard.Lock()
	if c.loader.closed {
		c.guard.Unlock()
		return nil, ErrClosed
	}
	s := r.current()
	if s.again(k) {
		slot, l := c.look(e)
		patience := c.patience(s)
		c.guard.Unlock()
		return c.handle(ctx, s, e, slot, l, patience)
	}
	ended, over := s.steps.Access(k)
	if over {
		c.learn(s, ended)
	}
	s.opens++
	slot, l := c.use(s, e)
	patience := c.patience(s)
	if over {
		c.prefetch.stepped(s, ended.Layer, ended.Used)
	}
	c.guard.Unlock()
	return c.handle(ctx, s, e, slot, l, patience)
}

// OpenDense returns the bytes of a dense file, as Open does. They stay in RAM
// while anybody has them open or mapped, and some time longer. It fails with
// ErrCrowded where they are not in RAM and Options.DenseBytes has no room.
func (c *Cache) OpenDense(ctx context.Context, d Dense) (*Handle, error) {
	e, err := c.denseEntry(d)
	if err != nil {
		return nil, err
	}
	c.guard.Lock()
	if c.loader.closed {
		c.guard.Unlock()
		return nil, ErrClosed
	}
	c.table.use(e)
	var l *load
	slot := e.slot
	switch {
	case slot != nil:
		c.table.pin(e, 1)
	case e.load != nil:
		l, _ = c.loader.join(e)
	default:
		retiring, ok := c.denseRoom(e.view().Size())
		if !ok {
			c.observer.crowded++
			c.guard.Unlock()
			return nil, ErrCrowded
		}
		l, _ = c.loader.join(e)
		l.before = retiring
	}
	c.guard.Unlock()
	return c.handle(ctx, nil, e, slot, l, c.options.MaxWait)
}

// use has a reader use an expert: one in RAM is pinned in its slot, of another
// the load is returned, which the caller has joined.
func (c *Cache) use(s *stream, e *entry) (*ram.Slot, *load) {
	if e.slot != nil {
		c.meet(s, e)
		c.table.pin(e, 1)
		return e.slot, nil
	}
	c.table.use(e)
	l, how := c.loader.join(e)
	s.takeTold(e.key)
	if e.takeDue() {
		how = miss
	}
	c.observer.used(s, e, how)
	return nil, l
}

// meet takes a use of an expert in RAM.
func (c *Cache) meet(s *stream, e *entry) {
	c.table.use(e)
	told := s.takeTold(e.key)
	if e.takeDue() {
		c.observer.used(s, e, miss)
		return
	}
	c.observer.used(s, e, hit)
	if !told {
		c.evictor.policy.Touch(e.key)
	}
}

// look is use for an open that was counted before, when it was refused. That was the
// miss, also where an announcement has begun the load since.
func (c *Cache) look(e *entry) (*ram.Slot, *load) {
	e.due = false
	if e.slot != nil {
		c.table.pin(e, 1)
		return e.slot, nil
	}
	l, _ := c.loader.join(e)
	return nil, l
}

// handle makes the handle of an open that has its slot, or waits for a load, of
// which it has patience for the wait for a slot. The guard is not held.
func (c *Cache) handle(ctx context.Context, s *stream, e *entry, slot *ram.Slot, l *load, patience time.Duration) (*Handle, error) {
	if l == nil {
		return newHandle(c, s, e, slot), nil
	}
	began := time.Now()
	err := c.await(ctx, l, patience)
	if s != nil {
		c.waited(time.Since(began))
	}
	switch {
	case err == nil:
		return newHandle(c, s, e, l.slot), nil
	case err == ErrBusy && s != nil:
		return nil, c.refuse(s, e.key)
	}
	return nil, err
}

// waited counts the time that an open of an expert took.
func (c *Cache) waited(took time.Duration) {
	c.guard.Lock()
	defer c.guard.Unlock()
	c.observer.openWait += took
}

// await waits for the end of a load, and returns its error.
func (c *Cache) await(ctx context.Context, l *load, patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case <-l.done:
			return l.err
		case <-ctx.Done():
			if c.leave(l) {
				return ctx.Err()
			}
			return l.err
		case <-timer.C:
			// A load that has its slot is waited for to the end.
			if err := c.leaveQueue(l); err != nil {
				return err
			}
		}
	}
}

// leaveQueue ends the wait for a load that has no slot yet, with the reason.
func (c *Cache) leaveQueue(l *load) error {
	c.guard.Lock()
	defer c.guard.Unlock()
	if l.over || !slices.Contains(c.loader.queue, l) {
		return nil
	}
	err := l.noSlot()
	c.loader.leave(l, err)
	return err
}

// leave ends the wait for a load, if that is not over.
func (c *Cache) leave(l *load) bool {
	c.guard.Lock()
	defer c.guard.Unlock()
	return c.loader.leave(l, context.Canceled)
}

func newHandle(c *Cache, s *stream, e *entry, slot *ram.Slot) *Handle {
	h := &Handle{c: c, s: s, e: e, slot: slot}
	h.leak = newLeakCheck(h, &c.guard, &c.loader.closed, e.name)
	if s != nil {
		s.pins.Add(1)
	}
	return h
}
