package tiers

import (
	"math"
	"slices"
	"time"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/tiers/nvme"
	"expertfs/tiers/ram"
)

// entry is a file whose bytes can be in RAM.
type entry struct {
	key  expertfs.Key // of an expert
	name string       // for people: "layer 3 expert 7"
	view func() *checkpoint.View

	dense   bool
	rounded bool // of a dense file: to 8 bits

	// GUARDED BY guard.
	slot  *ram.Slot // of a resident
	load  *load     // under way
	pins  int       // handles
	wants []want    // whom a prefetched resident was read for and has not been used by
	due   bool      // see announced.go

	hits, loads int64
	last        time.Time // of use
	used        int64     // rank of the last use among all
	uses        int64     // of any kind
}

// load is the loading of one file, for all who wait for it.
type load struct {
	e     *entry
	began time.Time

	// GUARDED BY guard, until done is closed.
	class    nvme.Class // prefetch until a reader waits
	wants    []want     // of a prefetch: whom it is for
	chance   float64    // of a prefetch: that it comes true
	warming  bool       // a prefetch that the policy wants in an empty RAM
	waiters  int        // opens waiting; each has a pin when the load ends well
	deadline time.Time  // for a slot
	slot     *ram.Slot
	before   []*ram.Slot // to be closed before the slot is made
	short    error       // why no slot could be made, nil if none had to be
	job      *nvme.Job   // from when the reading begins
	given    bool        // given up as a prefetch: nobody wants it any more
	ahead    *stream     // whose announcement began it, until an open joins it
	told     bool        // the policy takes the expert for resident

	over bool
	err  error         // set when over
	done chan struct{} // closed when over
}

// newLoad makes the load of an absent file.
func newLoad(e *entry, class nvme.Class) *load {
	l := &load{e: e, class: class, began: time.Now(), done: make(chan struct{})}
	e.load = l
	return l
}

// noSlot is why a load has got no slot.
func (l *load) noSlot() error {
	if l.short != nil {
		return l.short
	}
	return ErrBusy
}

// want is a use of an expert that was foretold: by whose stream, and at which of
// its steps.
type want struct {
	stream *stream
	at     int64 // a value of stream.step
}

// soonWithin is how many layers ahead a prefetched expert is spared. More would
// let a reader that foretells far ahead shut out what is used.
const soonWithin = 4

// wantedSoon tells whether a resident was prefetched for one of the next
// layers of a reader that goes on.
func (e *entry) wantedSoon() bool {
	for _, w := range e.wants {
		if w.stream.closed || !w.stream.lively() {
			continue
		}
		if ahead := w.at - w.stream.step; 0 < ahead && ahead <= soonWithin {
			return true
		}
	}
	return false
}

// alsoFor has one more reader want a prefetch.
func (l *load) alsoFor(w want) {
	own := func(o want) bool { return o.stream == w.stream }
	if len(l.wants) > 0 && !slices.ContainsFunc(l.wants, own) {
		l.wants = append(l.wants, w)
	}
}

// notFor has one reader less want a prefetch. It tells whether nobody does now.
func (l *load) notFor(s *stream) (unwanted bool) {
	l.wants = slices.DeleteFunc(l.wants, func(w want) bool { return w.stream == s })
	return len(l.wants) == 0
}

// due orders prefetches by when the first of their readers needs them, a time on
// the clock of all streams together, and by how likely that is: who is surer goes
// first, though others are needed a few layers sooner, because what is read in vain
// keeps the drive from the rest. What no reader has asked for is due at the end of
// time.
func (l *load) due() int64 {
	first := int64(math.MaxInt64)
	for _, w := range l.wants {
		sure := int64(l.chance * sureLayers * dueParts)
		first = min(first, w.stream.streams.time(w)*dueParts-sure*int64(w.stream.streams.active()))
	}
	return first
}

const (
	dueParts = 64 // of a layer, the unit of due
	// sureLayers is how many layers sooner what is certain is read than what is not
	// likely at all. By simulation on recorded routing a token reads 28.4 experts
	// with 12, and 28.8 with 6 (docs/policies.md), in the same time.
	sureLayers = 12
)
