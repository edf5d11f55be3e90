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

// prepare makes a slot that has no memory yet.
func (f *filler) prepare(e *entry) (*ram.Slot, error) {
	tier := f.experts
	if e.dense {
		tier = f.dense
	}
	return tier.Prepare(e.view().Size())
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
