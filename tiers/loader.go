package tiers

import (
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"expertfs/tiers/nvme"
	"expertfs/tiers/ram"
)

// loader brings files into RAM: one load a file at a time, however many ask.
//
// A load needs a slot: a free one, a new one, or a victim's. A load that a
// reader waits for and that finds none stands in the wait queue, at most
// maxWait. A prefetch that finds none does not begin.
type loader struct {
	guard   *guard
	table   *table
	slots   *slots
	evictor *evictor
	stats   *observer
	log     *slog.Logger

	fill    filler
	maxWait time.Duration
	wake    func() // has the keeper look at the wait queue

	running sync.WaitGroup // loads under way

	// GUARDED BY guard.
	closed      bool
	queue       []*load // waiting for a slot, longest first
	speculative []*load // prefetches under way
}

// join has one more open wait for the load of an absent file, which it begins
// if there is none. It tells how the wait counts.
func (d *loader) join(e *entry) (l *load, how access) {
	switch l = e.load; {
	case l == nil:
		l, how = d.begin(e), miss
	case l.class == nvme.Prefetch:
		d.promote(l)
		how = miss
	default:
		how = joined
	}
	l.taken()
	l.waiters++
	return l, how
}

// begin starts to load a file that a reader waits for.
func (d *loader) begin(e *entry) *load {
	l := newLoad(e, nvme.Demand)
	l.deadline = l.began.Add(d.maxWait)
	if e.dense {
		d.launch(l)
		return l
	}
	d.queue = append(d.queue, l)
	d.dispatch()
	if len(d.queue) > 0 {
		d.wake()
	}
	return l
}

// dispatch gives slots to the loads in the wait queue.
func (d *loader) dispatch() {
	for len(d.queue) > 0 && d.assign(d.queue[0]) {
		l := d.queue[0]
		d.queue = slices.Delete(d.queue, 0, 1)
		d.stats.slotWait += time.Since(l.began)
		d.launch(l)
	}
}

// assign finds a slot for l, a victim's where no other is to be had. l.slot
// stays nil where a new one is to be made.
func (d *loader) assign(l *load) (ok bool) {
	l.slot, ok = d.place(d.evictor.victim)
	return ok
}

// place finds a place for a load: a free slot, leave to make one, which is nil, or
// the slot of a victim, which it evicts.
func (d *loader) place(victim func() *entry) (slot *ram.Slot, ok bool) {
	if slot, ok = d.slots.take(); ok || d.slots.over() {
		return slot, ok
	}
	v := victim()
	if v == nil {
		return nil, false
	}
	return d.evictor.evict(v), true
}

// speculate begins a prefetch. Its slot is free, new, or that of the victim,
// which the caller has found to be worth less and which is nil where there is
// room without. It comes true with a chance.
func (d *loader) speculate(e *entry, victim *entry, chance float64, w ...want) {
	l := newLoad(e, nvme.Prefetch)
	l.wants, l.chance, l.warming = w, chance, len(w) == 0
	l.deadline = l.began.Add(d.maxWait)
	if victim != nil {
		l.slot = d.evictor.evict(victim)
	} else {
		l.slot, _ = d.slots.take()
	}
	d.speculative = append(d.speculative, l)
	d.launch(l)
}

// promote makes a prefetch a load that a reader waits for. It came too late to
// be a hit.
func (d *loader) promote(l *load) {
	if !l.warming {
		d.stats.prefetch.Late++
	}
	l.class, l.given = nvme.Demand, false
	d.unspeculate(l)
	if l.job != nil {
		l.job.Promote()
	}
}

// giveUp ends a prefetch that nobody wants any more, unless it is read already.
func (d *loader) giveUp(l *load) {
	l.given = true
	if l.job != nil {
		l.job.Drop()
	}
}

// unspeculate takes a load off the prefetches, if it is one.
func (d *loader) unspeculate(l *load) {
	if i := slices.Index(d.speculative, l); i >= 0 {
		d.speculative = slices.Delete(d.speculative, i, i+1)
	}
}

// leave ends the wait of one open. It fails when the load is over: then the
// open has its pin.
func (d *loader) leave(l *load, err error) bool {
	if l.over {
		return false
	}
	l.waiters--
	if l.waiters == 0 {
		d.leaveQueue(l, err)
	}
	return true
}

// leaveQueue ends a load that waits for a slot, if it does.
func (d *loader) leaveQueue(l *load, err error) {
	if i := slices.Index(d.queue, l); i >= 0 {
		d.queue = slices.Delete(d.queue, i, i+1)
		d.stats.slotWait += time.Since(l.began)
		d.end(l, err)
	}
}

// expire ends the loads that have waited too long for a slot.
func (d *loader) expire(now time.Time) {
	for _, l := range slices.Clone(d.queue) {
		if now.Before(l.deadline) {
			continue
		}
		d.leaveQueue(l, l.noSlot())
	}
}

// close ends the waits. The loads under way end by themselves; running tells
// when.
func (d *loader) close() {
	d.closed = true
	queue := d.queue
	d.queue = nil
	for _, l := range queue {
		d.end(l, ErrClosed)
	}
}

// finish ends a load that has a slot, or has failed to get one. It takes the
// slot away from a load that failed.
func (d *loader) finish(l *load, err error) {
	d.unspeculate(l)
	switch {
	case err == nil:
		d.settle(l)
	case d.closed:
		err = ErrClosed
	case errors.Is(err, nvme.ErrDropped) && l.class == nvme.Prefetch:
		d.stats.prefetch.Late++
	}
	if err != nil && l.slot != nil {
		d.slots.give(l.slot)
		l.slot = nil
	}
	d.end(l, err)
	d.dispatch()
	if l.warming || d.slots.over() || d.slots.above(d.slots.high) {
		d.wake()
	}
}

// end tells those who wait for a load that it is over.
func (d *loader) end(l *load, err error) {
	l.taken()
	if err != nil && l.told {
		d.evictor.policy.Remove(l.e.key)
		l.e.due = false
	}
	l.e.load = nil
	l.over, l.err = true, err
	close(l.done)
}

// settle makes the file of a load resident, pinned by those who waited for it.
func (d *loader) settle(l *load) {
	d.table.settle(l.e, l.slot, l.waiters)
	d.stats.loaded(l.e, time.Since(l.began))
	if l.e.dense || l.told {
		return
	}
	if l.class == nvme.Prefetch {
		l.e.wants = l.wants
	}
	d.evictor.admit(l.e)
}

// failed makes, counts and logs the error of a failed load. The guard is not
// held.
func (d *loader) failed(e *entry, err error) error {
	d.guard.Lock()
	d.stats.errors[errnoName(err)]++
	d.guard.Unlock()
	args := []any{"name", e.name, "err", err}
	var read *nvme.ReadError
	if errors.As(err, &read) {
		args = append(args, "file", read.File, "offset", read.Off)
	}
	d.log.Error("load failed", args...)
	return &LoadError{e.name, err}
}
