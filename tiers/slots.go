package tiers

import (
	"time"

	"expertfs/tiers/ram"
)

// retryGrowth is how long no slot is made after memory was short. Meanwhile
// loads make do with the slots there are.
const retryGrowth = time.Second

// slots are the places for experts that the budget pays for. All experts of a
// model have the same length, so that any slot suits any of them.
//
// A slot is in one of these states, and slots counts those of all:
//
//	free       ready for a load: never filled, or to be closed and made anew
//	in use     of a resident or of a load, from before it is made
//	retiring   about to be closed, because the budget has shrunk
type slots struct {
	// GUARDED BY guard.
	bytes    int64 // of one slot: what an expert takes in whole pages
	budget   int64
	count    int // in all states
	retiring int
	free     []*ram.Slot
	noGrowth time.Time // no new slots until then: memory was short

	high, low float64 // the watermarks, shares of the budget
	draining  bool    // the high watermark was passed, the low one not reached

	peak int // the largest count
	last int // count at the last check of the invariants
}

// take finds a place for a load: a free slot, or leave to make a new one, which
// is nil.
func (s *slots) take() (slot *ram.Slot, ok bool) {
	switch n := len(s.free); {
	case s.over():
		return nil, false
	case n > 0:
		slot, s.free = s.free[n-1], s.free[:n-1]
		return slot, true
	case s.mayGrow():
		s.count++
		return nil, true
	}
	return nil, false
}

// give takes a slot back that is not needed any more.
func (s *slots) give(slot *ram.Slot) { s.free = append(s.free, slot) }

// notMade takes back the leave to make a slot, for which there was no memory.
func (s *slots) notMade() {
	s.count--
	s.noGrowth = time.Now().Add(retryGrowth)
}

// mayGrow tells whether one more slot may be made.
func (s *slots) mayGrow() bool {
	return int64(s.count+1)*s.bytes <= s.budget && time.Now().After(s.noGrowth)
}

// ready tells whether take finds a place without a victim.
func (s *slots) ready() bool { return !s.over() && (len(s.free) > 0 || s.mayGrow()) }

// over tells whether there are more slots than the budget allows, which is so
// while it has shrunk and the excess is pinned.
func (s *slots) over() bool { return int64(s.count)*s.bytes > s.budget }

// inUse is the number of slots that hold an expert or wait for one.
func (s *slots) inUse() int { return s.count - s.retiring - len(s.free) }

// above tells whether the slots in use exceed a share of the budget. All of it
// is never exceeded.
func (s *slots) above(share float64) bool {
	return share < 1 && float64(s.inUse())*float64(s.bytes) > share*float64(s.budget)
}

// excess is the number of slots to close.
func (s *slots) excess() int { return s.count - s.retiring - int(s.budget/s.bytes) }

// retire takes a slot out of the books, except that it counts until it is
// closed. Without one it takes a free slot, nil when there is none.
func (s *slots) retire(slot *ram.Slot) *ram.Slot {
	if slot == nil {
		n := len(s.free)
		if n == 0 {
			return nil
		}
		slot, s.free = s.free[n-1], s.free[:n-1]
	}
	s.retiring++
	return slot
}

// retired counts slots as closed.
func (s *slots) retired(n int) {
	s.count -= n
	s.retiring -= n
}

// Watermarks: a miss finds its victim itself, in 0.1 to 5 us by the policy and half a us
// for the lease, where the load takes some ms. Slots kept ready spare it that and hold
// fewer experts, so both marks are at the whole budget unless asked for. They help where
// many victims are mapped and must be passed over.

// surplus is the number of slots to free for the low watermark, 0 while the
// high one has not been passed since.
func (s *slots) surplus() int {
	if s.above(s.high) {
		s.draining = true
	}
	if !s.draining {
		return 0
	}
	return s.inUse() - int(s.low*float64(s.budget)/float64(s.bytes))
}
