package policy

import (
	"iter"

	"expertfs"
)

// MaxStreams is how many streams are told apart. A stream of a number beyond
// shares that of the number modulo MaxStreams, so that no number costs memory.
const MaxStreams = 64

// streamIndex is a stream's number within the bounds.
func streamIndex(stream int) int { return int(uint(stream) % MaxStreams) }

// Streams are the step streams of the readers of one cache, by number. Numbers
// are small and used again: who gives them takes the least that is free. It is
// not safe for concurrent use; the zero value has no streams.
type Streams struct {
	of   [MaxStreams]*Steps
	live []*Steps // those of them that are not nil
}

// Of returns the steps of a stream. It makes them at the first use.
func (s *Streams) Of(stream int) *Steps {
	stream = streamIndex(stream)
	if s.of[stream] == nil {
		s.of[stream] = &Steps{stream: stream}
		s.live = append(s.live, s.of[stream])
	}
	return s.of[stream]
}

// Drop forgets a stream whose reader has gone. The caller has flushed it.
func (s *Streams) Drop(stream int) {
	stream = streamIndex(stream)
	for i, steps := range s.live {
		if steps == s.of[stream] {
			s.live = append(s.live[:i], s.live[i+1:]...)
			break
		}
	}
	s.of[stream] = nil
}

// Active tells whether k belongs to the step in progress of any stream.
func (s *Streams) Active(k expertfs.Key) bool {
	for _, steps := range s.live {
		if steps.Active(k) {
			return true
		}
	}
	return false
}

// Victims yields the victims of p with the active keys at the end, so that
// they go only when nothing else is left.
func (s *Streams) Victims(p Policy) iter.Seq[expertfs.Key] {
	return func(yield func(expertfs.Key) bool) {
		var active []expertfs.Key
		for k := range p.Victims() {
			if s.Active(k) {
				active = append(active, k)
			} else if !yield(k) {
				return
			}
		}
		for _, k := range active {
			if !yield(k) {
				return
			}
		}
	}
}
