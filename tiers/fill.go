package tiers

import (
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
}

// newSlot makes a slot.
func (f *filler) newSlot(e *entry, size int64) (*ram.Slot, error) {
	tier := f.experts
	if e.dense {
		tier = f.dense
	}
	s, err := tier.NewSlot(size)
	if err == nil {
		f.made(s)
	}
	return s, err
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

// start begins to read the file of a load into a slot. The guard is held.
func (f *filler) start(l *load, slot *ram.Slot) *nvme.Job {
	view := l.e.view()
	if l.class == nvme.Prefetch {
		return f.drive.Prefetch(view, slot.Bytes(), l.due())
	}
	return f.drive.Start(view, slot.Bytes(), 0)
}
