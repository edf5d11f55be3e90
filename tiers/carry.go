package tiers

import (
	"errors"

	"expertfs/tiers/nvme"
	"expertfs/tiers/ram"
)

// The methods of the loader that carry out a load: launch has the guard, the others run
// beside it.

// launch begins to carry out a load that has a slot, or leave to make one. Where a slot
// is prepared the drive is told before anything else.
func (d *loader) launch(l *load) {
	old := l.slot
	var fresh *ram.Slot
	if !l.e.dense && (old == nil || old.Sealed()) {
		if fresh = d.fill.prepared(); fresh != nil {
			l.slot, l.job = fresh, d.fill.start(l, fresh)
		}
	}
	job := l.job
	d.running.Go(func() { d.run(l, old, fresh, job) })
}

// run carries out a load in an old slot, or in a fresh one that takes the place of the
// old one, if there is one. There is a job where there is a fresh slot. The guard is not
// held.
func (d *loader) run(l *load, old, fresh *ram.Slot, job *nvme.Job) {
	if l.e.dense {
		d.guard.Lock()
		before := l.before
		d.guard.Unlock()
		for _, s := range before {
			d.fill.closeSlot(s)
		}
	}
	slot := old
	if slot == nil || slot.Sealed() {
		var err error
		if slot, job, err = d.renew(l, old, fresh, job); err != nil {
			d.requeue(l, err)
			return
		}
	}
	for !d.attempt(l, slot, job) {
		job = nil
	}
	if !l.e.dense {
		d.fill.restock(l.e.view().Size())
	}
}

// renew makes a slot for a load, unless it has one, and begins to read before the slot
// has its memory. Readers have had the old one, if there is one: its pages are not
// written to again, and its room is taken by the new slot. There is no job when the load
// was given up. The guard is not held.
func (d *loader) renew(l *load, old, slot *ram.Slot, job *nvme.Job) (*ram.Slot, *nvme.Job, error) {
	var err error
	if slot == nil {
		if slot, err = d.fill.prepare(l.e); err == nil {
			job = d.start(l, slot)
		}
	}
	if old != nil {
		d.fill.closeSlot(old)
		if err != nil { // its descriptor was the last there is
			slot, err = d.fill.prepareAgain(l.e)
		}
	}
	if err == nil {
		err = slot.Allocate()
	}
	switch {
	case err == nil && job != nil:
		job.Ready()
	case job != nil:
		job.NoMemory(err)
		<-job.Done()
	}
	if err != nil {
		if slot != nil {
			slot.Close()
		}
		return nil, nil, err
	}
	d.fill.made(slot)
	return slot, job, nil
}

// requeue puts a load that was to get a new slot and got none back to the head of
// the wait queue, where the next free slot finds it. The guard is not held.
func (d *loader) requeue(l *load, err error) {
	if l.e.dense {
		err = d.failed(l.e, err)
		d.guard.Lock()
		defer d.guard.Unlock()
		l.slot = nil // closed: there is nothing for others
		d.finish(l, err)
		return
	}
	d.log.Warn("no memory for another slot", "for", l.e.name, "err", err)
	d.guard.Lock()
	defer d.guard.Unlock()
	d.stats.errors[errnoName(err)]++
	l.slot, l.job = nil, nil
	d.slots.notMade()
	l.short = &LoadError{l.e.name, err}
	d.unspeculate(l)
	if l.waiters == 0 || d.closed {
		d.finish(l, l.short)
		return
	}
	d.queue = append([]*load{l}, d.queue...)
	d.dispatch()
	d.wake()
}

// attempt reads a file into a slot, which a job may have begun, and ends its load. It
// fails when the load is a prefetch that was given up and then promoted. The guard is
// not held.
func (d *loader) attempt(l *load, slot *ram.Slot, job *nvme.Job) bool {
	err := d.read(l, slot, job)
	dropped := errors.Is(err, nvme.ErrDropped)
	if err != nil && !dropped && !errors.Is(err, nvme.ErrClosed) {
		err = d.failed(l.e, err)
	}
	if err != nil && l.e.dense {
		// Dense files differ in length, so nobody else has use for the slot.
		d.fill.closeSlot(slot)
		slot = nil
	}
	d.guard.Lock()
	defer d.guard.Unlock()
	if dropped && l.class == nvme.Demand {
		return false
	}
	l.slot = slot
	d.finish(l, err)
	return true
}

// read fills a slot by a job, which it begins where there is none. The guard is not held.
func (d *loader) read(l *load, slot *ram.Slot, job *nvme.Job) error {
	if job == nil {
		if job = d.start(l, slot); job == nil {
			return nvme.ErrDropped
		}
		job.Ready()
	}
	<-job.Done()
	if err := job.Err(); err != nil {
		return err
	}
	return slot.Seal()
}

// start begins to read into a slot, which is the load's from then on. It returns nil
// when the load was given up. The guard is not held.
func (d *loader) start(l *load, slot *ram.Slot) *nvme.Job {
	d.guard.Lock()
	defer d.guard.Unlock()
	l.slot = slot
	if l.given {
		return nil
	}
	l.job = d.fill.start(l, slot)
	return l.job
}
