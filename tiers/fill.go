package tiers

import (
	"sync"

	"expertfs/tiers/nvme"
	"expertfs/tiers/ram"
)

// filler is what a load works with beside the lock: it makes and closes slots,
// and reads files into them. Its fields do not change.
type filler struct {
	drive   *nvme.Reader
	experts *ram.Tier
	dense   *ram.Tier
	hook    SlotHook // may be nil
	stock   chan *ram.Slot

	stocking sync.Mutex // held by whoever puts slots into stock
}

// prepare makes a slot that has no memory yet.
func (f *filler) prepare(e *entry) (*ram.Slot, error) {
	tier := f.experts
	if e.dense {
		tier = f.dense
	}
	return tier.Prepare(e.view().Size())
}

// prepareAgain makes a slot when there was no descriptor for one, and a slot has been
// closed since. One that was prepared for later may have taken the descriptor of that.
func (f *filler) prepareAgain(e *entry) (*ram.Slot, error) {
	f.stocking.Lock()
	defer f.stocking.Unlock()
	if !e.dense {
		if s := f.prepared(); s != nil {
			return s, nil
		}
	}
	return f.prepare(e)
}

// prepared returns a slot for an expert that was prepared before, nil when there is
// none.
func (f *filler) prepared() *ram.Slot {
	select {
	case s := <-f.stock:
		return s
	default:
		return nil
	}
}

// restock prepares slots for the next loads of experts, which are all of one size. They
// take a descriptor and addresses each, and no memory. With one at hand a load begins to
// read at once, where making a file and mapping it takes some tenths of a millisecond on
// a busy machine. One that cannot be had is not missed.
func (f *filler) restock(size int64) {
	f.stocking.Lock()
	defer f.stocking.Unlock()
	for len(f.stock) < cap(f.stock) {
		s, err := f.experts.Prepare(size)
		if err != nil {
			return
		}
		f.stock <- s
	}
}

// destock closes the slots that no load has come for.
func (f *filler) destock() {
	for {
		select {
		case s := <-f.stock:
			s.Close()
		default:
			return
		}
	}
}

// made tells the hook of a slot.
func (f *filler) made(s *ram.Slot) {
	if f.hook != nil {
		f.hook.Born(s)
	}
}

// closeSlot closes a slot that is in no books any more. The guard is not held.
func (f *filler) closeSlot(s *ram.Slot) {
	if f.hook != nil {
		f.hook.Dead(s)
	}
	s.Close()
}

// start begins to read the file of a load into a slot, which may have no memory yet.
// The guard is held.
func (f *filler) start(l *load, slot *ram.Slot) *nvme.Job {
	return f.drive.Load(l.e.view(), slot.Bytes(), l.class, l.due())
}
