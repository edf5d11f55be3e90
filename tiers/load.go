package tiers

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"expertfs/checkpoint"
	"expertfs/tiers/nvme"
	"expertfs/tiers/ram"

	"golang.org/x/sys/unix"
)

// load is the loading of one file, for all who wait for it.
type load struct {
	e        *entry
	class    nvme.Class // prefetch until a reader waits
	due      int64      // of a prefetch: the step that it is for, see Cache.due
	waiters  int        // opens waiting; they hold the expert when it is there
	began    time.Time
	deadline time.Time // for a slot
	slot     *ram.Slot
	short    error     // why no slot could be made, nil if none had to be
	job      *nvme.Job // from when the reading begins
	late     bool      // a prefetch that came to nothing
	warming  bool      // a prefetch that the policy wants

	over bool
	err  error         // set when over
	done chan struct{} // closed when over
}

// LoadError is a file that could not be loaded. The next open tries again.
type LoadError struct {
	Name string // "layer 3 expert 7"
	Err  error  // an *nvme.ReadError, what has become of a file, or lack of memory
}

func (e *LoadError) Error() string { return fmt.Sprintf("load %s: %v", e.Name, e.Err) }
func (e *LoadError) Unwrap() error { return e.Err }

// Errno returns what a reader should be told.
func (e *LoadError) Errno() syscall.Errno {
	var errno syscall.Errno
	if errors.As(e.Err, &errno) && errno == unix.ENOMEM {
		return errno
	}
	return unix.EIO
}

// retryBirth is how long no slot is made after memory was short. Meanwhile
// loads make do with the slots there are.
const retryBirth = time.Second

// newLoad makes the load of an absent file.
func (c *Cache) newLoad(e *entry, class nvme.Class) *load {
	l := &load{e: e, class: class, began: time.Now(), done: make(chan struct{})}
	l.deadline = l.began.Add(c.options.MaxWait)
	e.load = l
	return l
}

// begin starts to load a file for a reader.
func (c *Cache) begin(e *entry) *load {
	l := c.newLoad(e, nvme.Demand)
	if e.dense {
		c.launch(l)
		return l
	}
	c.line = append(c.line, l)
	c.dispatch()
	if len(c.line) > 0 {
		c.wake()
	}
	return l
}

// dispatch gives slots to the loads in line.
func (c *Cache) dispatch() {
	for len(c.line) > 0 && c.assign(c.line[0]) {
		l := c.line[0]
		c.line = slices.Delete(c.line, 0, 1)
		c.launch(l)
	}
}

// assign finds a slot for l: a free one, a new one (which leaves l.slot nil),
// or that of a victim.
func (c *Cache) assign(l *load) bool {
	switch {
	case c.over():
		return false
	case len(c.free) > 0:
		last := len(c.free) - 1
		l.slot, c.free = c.free[last], c.free[:last]
	case c.mayGrow():
		c.slots++
	default:
		v := c.victim()
		if v == nil {
			return false
		}
		l.slot = c.evict(v)
	}
	return true
}

// mayGrow tells whether one more slot may be made.
func (c *Cache) mayGrow() bool {
	return int64(c.slots+1)*c.charge <= c.budget && time.Now().After(c.noBirth)
}

// launch begins to carry out a load that has a slot, or leave to make one.
func (c *Cache) launch(l *load) {
	c.running.Add(1)
	go func() {
		defer c.running.Done()
		c.run(l)
	}()
}

// run carries out a load. c.mu is not held.
func (c *Cache) run(l *load) {
	view := l.e.view()
	c.mu.Lock()
	slot := l.slot
	c.mu.Unlock()
	if slot == nil {
		var err error
		if slot, err = c.birth(l.e, view.Size()); err != nil {
			c.stillborn(l, err)
			return
		}
	}
	for !c.attempt(l, view, slot) {
	}
}

// attempt reads a file into a slot and ends its load. It fails when the load
// is a prefetch that was dropped while a reader came to wait for it.
func (c *Cache) attempt(l *load, view *checkpoint.View, slot *ram.Slot) bool {
	err := c.read(l, view, slot)
	dropped := errors.Is(err, nvme.ErrDropped)
	if err != nil && !dropped && !errors.Is(err, nvme.ErrClosed) {
		err = c.failed(l.e, err)
	}
	if err != nil && l.e.dense {
		// Dense files differ in length, so nobody else has use for the slot.
		c.die(slot)
		slot = nil
	}
	c.mu.Lock()
	defer c.unlock()
	if dropped && l.waiters > 0 {
		return false
	}
	l.slot = slot
	c.finish(l, err)
	return true
}

// read fills a slot.
func (c *Cache) read(l *load, view *checkpoint.View, slot *ram.Slot) error {
	c.mu.Lock()
	l.slot = slot
	if l.late {
		c.mu.Unlock()
		return nvme.ErrDropped
	}
	if l.class == nvme.Prefetch {
		l.job = c.reader.Prefetch(view, slot.Bytes(), l.due)
	} else {
		l.job = c.reader.Start(view, slot.Bytes(), 0)
	}
	c.mu.Unlock()
	<-l.job.Done()
	return l.job.Err()
}

// birth makes a slot.
func (c *Cache) birth(e *entry, size int64) (*ram.Slot, error) {
	tier := c.ram
	if e.dense {
		tier = c.dense
	}
	s, err := tier.NewSlot(size)
	if err == nil {
		c.born(s)
	}
	return s, err
}

// stillborn puts a load that was to get a new slot and got none back to the head
// of the line, where the next free slot finds it. c.mu is not held.
func (c *Cache) stillborn(l *load, err error) {
	if l.e.dense {
		err = c.failed(l.e, err)
		c.mu.Lock()
		defer c.unlock()
		c.finish(l, err)
		return
	}
	c.log.Warn("no memory for another slot", "for", l.e.name, "err", err)
	c.mu.Lock()
	defer c.unlock()
	c.counters.errors[errnoName(err)]++
	c.slots--
	c.noBirth = time.Now().Add(retryBirth)
	l.short = &LoadError{l.e.name, err}
	if l.waiters == 0 || c.closed {
		c.finish(l, l.short)
		return
	}
	c.unguess(l)
	c.line = slices.Insert(c.line, 0, l)
	c.dispatch()
	c.wake()
}

// finish ends a load that has a slot, or has failed to make one. It takes the
// slot away from a load that failed.
func (c *Cache) finish(l *load, err error) {
	c.unguess(l)
	switch {
	case err == nil:
		c.settle(l)
	case c.closed:
		err = ErrClosed
	case errors.Is(err, nvme.ErrDropped):
		c.counters.late++
	}
	if err != nil && l.slot != nil {
		c.free = append(c.free, l.slot)
		l.slot = nil
	}
	c.end(l, err)
	c.dispatch()
	c.warm()
	c.wakeIfAbove()
}

// settle makes the file of a load resident, held by those who waited for it.
func (c *Cache) settle(l *load) {
	e := l.e
	e.slot = l.slot
	e.loads++
	c.counters.loads++
	c.counters.latency.add(time.Since(l.began))
	if !e.dense {
		e.guess = l.class == nvme.Prefetch && !l.warming
		e.due = l.due
		c.residents++
		c.policy.Insert(e.key, c.charge)
	}
	c.addPins(e, l.waiters)
}

// end tells those who wait.
func (c *Cache) end(l *load, err error) {
	l.e.load = nil
	l.over, l.err = true, err
	close(l.done)
}

// leaveLine ends a load that waits for a slot, if it does.
func (c *Cache) leaveLine(l *load, err error) {
	if i := slices.Index(c.line, l); i >= 0 {
		c.line = slices.Delete(c.line, i, i+1)
		c.end(l, err)
	}
}

// failed makes, counts and logs the error of a failed load. c.mu is not held.
func (c *Cache) failed(e *entry, err error) error {
	c.mu.Lock()
	c.counters.errors[errnoName(err)]++
	c.mu.Unlock()
	args := []any{"name", e.name, "err", err}
	var read *nvme.ReadError
	if errors.As(err, &read) {
		args = append(args, "file", read.File, "offset", read.Off)
	}
	c.log.Error("load failed", args...)
	return &LoadError{e.name, err}
}

// errnoName is the name an error is counted under.
func errnoName(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		errno = unix.EIO
	}
	if name := unix.ErrnoName(errno); name != "" {
		return name
	}
	return errno.Error()
}
