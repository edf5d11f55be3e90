package tiers

import (
	"slices"
	"sync"

	"expertfs/policy"
	"expertfs/policy/shadow"
)

// maxEvents bounds what waits for the observers: at full speed the uses of a
// minute or more.
const maxEvents = 1 << 17

// observer passes on what readers do to those for whom nobody may wait: a
// trace, which does I/O, and ghosts, which think for long. The cache appends
// under its lock; run works without it.
type observer struct {
	trace func(layer int, used []policy.Key, opened bool) // may be nil

	ghosting sync.Mutex // guards ghosts
	ghosts   *shadow.Set

	mu     sync.Mutex
	wake   sync.Cond
	events []event
	lost   int64
	closed bool
	done   sync.WaitGroup
}

// event is one of: a step, a use of an expert, a new budget.
type event struct {
	kind   eventKind
	layer  int
	keys   []policy.Key
	key    policy.Key
	budget int64
}

type eventKind uint8

const (
	stepAnnounced eventKind = iota // by the reader
	stepFound                      // in the order of opens
	used
	resized
)

// newObserver returns nil when there is nobody to pass anything on to.
func newObserver(o Options, s policy.Shape) (*observer, error) {
	if o.Trace == nil && len(o.Ghosts) == 0 {
		return nil, nil
	}
	ghosts, err := shadow.New(s, o.Ghosts, o.Seed)
	if err != nil {
		return nil, err
	}
	ob := &observer{trace: o.Trace, ghosts: ghosts}
	ob.wake.L = &ob.mu
	ob.done.Go(ob.run)
	return ob, nil
}

// add takes an event. The keys are only lent. Calls of a nil observer do
// nothing.
func (o *observer) add(e event) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.events) >= maxEvents {
		o.lost++
		return
	}
	e.keys = slices.Clone(e.keys)
	o.events = append(o.events, e)
	o.wake.Signal()
}

// run passes events on until the observer is closed and nothing is left.
func (o *observer) run() {
	var batch []event
	for {
		o.mu.Lock()
		for len(o.events) == 0 && !o.closed {
			o.wake.Wait()
		}
		batch, o.events = o.events, batch[:0]
		o.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		for _, e := range batch {
			o.pass(e)
		}
	}
}

func (o *observer) pass(e event) {
	if o.trace != nil && (e.kind == stepAnnounced || e.kind == stepFound) {
		o.trace(e.layer, e.keys, e.kind == stepFound)
	}
	o.ghosting.Lock()
	defer o.ghosting.Unlock()
	switch e.kind {
	case stepAnnounced:
		o.ghosts.Step(0, e.layer, e.keys)
	case used:
		o.ghosts.Use(0, e.key)
	case resized:
		o.ghosts.Resize(e.budget)
	}
}

// report returns the scores of the ghosts.
func (o *observer) report() []shadow.Entry {
	if o == nil {
		return nil
	}
	o.ghosting.Lock()
	defer o.ghosting.Unlock()
	return o.ghosts.Report()
}

// close returns when all has been passed on, and tells how many events were
// lost because the observers were too slow.
func (o *observer) close() (lost int64) {
	if o == nil {
		return 0
	}
	o.mu.Lock()
	o.closed = true
	o.wake.Signal()
	lost = o.lost
	o.mu.Unlock()
	o.done.Wait()
	return lost
}
