package tiers

import (
	"slices"
	"sync/atomic"
	"time"

	"expertfs"
	"expertfs/policy"
)

// stream is what a cache knows of one reader: its steps, and so its position in
// the model, and what it has used.
type stream struct {
	streams *streams
	info    ReaderInfo
	number  int // of the stream of steps, among policy.Streams
	since   time.Time
	pins    atomic.Int64 // handles

	// GUARDED BY guard.
	steps   *policy.Steps
	step    int64 // number of its present step, see next
	layer   int   // that it is in, -1 before the first step
	clock   int64 // streams.now at that step
	taken   int64 // steps so far
	tokens  int64
	uses    expertfs.Uses
	opens   int64          // of experts
	keeps   bool           // has asked for its share
	refused []expertfs.Key // opens that got ErrBusy and may come again
	told    []expertfs.Key // see announced.go, as the next
	ahead   int
	closed  bool
}

// ReaderInfo says who a reader is, for people and statistics.
type ReaderInfo struct {
	PID  int    // of its process; 0 for those that cannot be told apart
	Name string // of its program
}

// sharedStream is the number of those who cannot be told apart. It is the last, so
// that of a single reader is 0.
const sharedStream = policy.MaxStreams - 1

// streams are those of all readers of a cache.
type streams struct {
	layers int

	// GUARDED BY guard.
	list  []*stream // not closed, by number
	now   int64     // layers that all of them have gone through
	steps policy.Streams
}

// addShared makes the stream of those who cannot be told apart.
func (ss *streams) addShared() *stream {
	s := &stream{streams: ss, number: sharedStream, since: time.Now(), layer: -1, steps: ss.steps.Of(sharedStream)}
	ss.list = append(ss.list, s)
	return s
}

// add makes a stream of the lowest number that is free, that of the shared one
// when there is none.
func (ss *streams) add(info ReaderInfo) *stream {
	at := 0
	for at < len(ss.list) && ss.list[at].number == at && at < sharedStream {
		at++
	}
	s := &stream{streams: ss, info: info, number: at, since: time.Now(), layer: -1, clock: ss.now, steps: ss.steps.Of(at)}
	ss.list = slices.Insert(ss.list, at, s)
	return s
}

// remove forgets a stream. It tells whether its number is free now: that of the
// shared one never is.
func (ss *streams) remove(s *stream) (freed bool) {
	s.closed = true
	ss.list = slices.DeleteFunc(ss.list, func(o *stream) bool { return o == s })
	if s.number == sharedStream {
		return false
	}
	ss.steps.Drop(s.number)
	return true
}

// activeWithin is how many tokens the others may go through, each, before a
// reader that stands still counts as idle.
const activeWithin = 2

// lively tells whether a reader steps, or has come so lately that it may.
func (s *stream) lively() bool {
	ss := s.streams
	return ss.now-s.clock <= int64(activeWithin*ss.layers*max(1, len(ss.list)))
}

// stepping is the number of readers that step.
func (ss *streams) stepping() (n int) {
	for _, s := range ss.list {
		if s.taken > 0 && s.lively() {
			n++
		}
	}
	return n
}

// active is the number of readers that step, at least 1.
func (ss *streams) active() int { return max(ss.stepping(), 1) }

// time is when a want is due on the clock of all readers, if each goes on at
// the same pace.
func (ss *streams) time(w want) int64 {
	return ss.now + (w.at-w.stream.step)*int64(ss.active())
}

// next numbers the next step in a layer: steps count up with the layers of each
// token, so that prefetches can be ordered by when they are needed.
func (s *stream) next(layer int) int64 {
	layers := s.streams.layers
	return s.step + 1 + int64((layer-s.layer-1+layers)%layers)
}

// advance takes a step.
func (s *stream) advance(layer int) {
	next := s.next(layer)
	s.streams.now += next - s.step
	if layer <= s.layer || s.taken == 0 {
		s.tokens++
	}
	s.step, s.layer, s.clock = next, layer, s.streams.now
	s.taken++
}
