package tiers

import (
	"slices"
	"sync"
	"time"

	"expertfs"
	"expertfs/policy/shadow"
)

// maxEvents bounds what waits for the observers: at full speed the uses of a
// minute or more.
const maxEvents = 1 << 17

// events passes on what readers do to those for whom nobody may wait: a trace,
// which does I/O, and shadow policies, which think for long. The cache appends
// under its guard; run works without it.
type events struct {
	trace func(expertfs.TraceStep) // may be nil
	debug *debugLog                // may be nil

	shadowing sync.Mutex // guards shadows
	shadows   *shadow.Set

	mu     sync.Mutex // guards what follows; taken after guard
	wake   sync.Cond
	queue  []event
	lost   int64
	closed bool
	done   sync.WaitGroup
}

// event is something that happened, in the order of the guard.
type event struct {
	kind   eventKind
	stream int
	layer  int
	keys   []expertfs.Key
	key    expertfs.Key
	how    access
	took   time.Duration
	budget int64
}

type eventKind uint8

const (
	stepAnnounced eventKind = iota // by the reader
	stepFound                      // in the order of opens
	foreseen                       // the policy was told of the uses of these
	used                           // a use of an expert, hit or miss
	joining                        // a use that waits for the load of another
	ended                          // the reader of a stream has gone
	resized                        // a new budget
	loaded                         // for debugLog alone, as the next
	evicted
)

// newEvents returns nil when there is nobody to pass anything on to.
func newEvents(o Options, s expertfs.Shape) (*events, error) {
	debug := newDebugLog(o.Log)
	if o.Trace == nil && len(o.Shadows) == 0 && debug == nil {
		return nil, nil
	}
	shadows, err := shadow.New(s, o.Shadows, o.Seed)
	if err != nil {
		return nil, err
	}
	v := &events{trace: o.Trace, debug: debug, shadows: shadows}
	v.wake.L = &v.mu
	v.done.Go(v.run)
	return v, nil
}

// addDebug takes an event that concerns debugLog alone.
func (v *events) addDebug(e event) {
	if v != nil && v.debug != nil {
		v.add(e)
	}
}

// add takes an event. The keys are only lent. Calls of nil events do nothing.
func (v *events) add(e event) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.queue) >= maxEvents {
		v.lost++
		return
	}
	e.keys = slices.Clone(e.keys)
	v.queue = append(v.queue, e)
	v.wake.Signal()
}

// run passes events on until there are no more to come and none is left.
func (v *events) run() {
	var batch []event
	for {
		v.mu.Lock()
		for len(v.queue) == 0 && !v.closed {
			v.wake.Wait()
		}
		batch, v.queue = v.queue, batch[:0]
		v.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		for _, e := range batch {
			v.pass(e)
		}
	}
}

func (v *events) pass(e event) {
	if v.trace != nil {
		switch e.kind {
		case stepAnnounced, stepFound:
			v.trace(expertfs.TraceStep{Stream: e.stream, Layer: e.layer, Used: e.keys, Opened: e.kind == stepFound})
		case ended:
			v.trace(expertfs.TraceStep{Stream: e.stream, End: true})
		}
	}
	if v.debug != nil {
		v.debug.pass(e)
	}
	v.shadowing.Lock()
	defer v.shadowing.Unlock()
	switch e.kind {
	case stepAnnounced:
		v.shadows.Step(e.stream, e.layer, e.keys)
	case foreseen:
		v.shadows.Foresee(e.stream, e.keys)
	case used:
		v.shadows.Use(e.stream, e.key)
	case joining:
		v.shadows.Join(e.stream, e.key)
	case ended:
		v.shadows.EndStream(e.stream)
	case resized:
		v.shadows.Resize(e.budget)
	}
}

// report returns the scores of the shadow policies.
func (v *events) report() []expertfs.ShadowStats {
	if v == nil {
		return nil
	}
	v.shadowing.Lock()
	defer v.shadowing.Unlock()
	return v.shadows.Report()
}

// close returns when all has been passed on, and tells how many events were
// lost because they were passed on too slowly.
func (v *events) close() (lost int64) {
	if v == nil {
		return 0
	}
	v.mu.Lock()
	v.closed = true
	v.wake.Signal()
	lost = v.lost
	v.mu.Unlock()
	v.done.Wait()
	return lost
}
