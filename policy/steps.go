package policy

import (
	"slices"

	"expertfs"
)

// Step is one layer's choice of experts of one stream, for one token or for
// one batch of a prompt.
type Step struct {
	Stream, Layer int
	Used          []expertfs.Key // only lent, until the next call of what gave it
	Found         bool           // seen in the order of opens, not announced
}

// Steps finds the steps of one stream, that is in what one reader does. It is
// pure and not safe for concurrent use; the zero value is ready, and is stream 0.
//
// A reader that announces its steps is taken at its word: the accesses of the
// announced keys form no group of their own. Other accesses are grouped:
// successive ones of one layer are one step, which a change of layer ends. A
// key that comes again ends it too (the next token, in a model of one layer),
// except the one accessed last, because programs open a file more than once to
// read it.
//
// Its methods return the step that the call has ended, if any. The step is
// over then: its keys are no longer active.
type Steps struct {
	stream    int
	announced []expertfs.Key // the keys of the step announced last
	accessed  int            // as many of them, moved to the front, were accessed
	group     []expertfs.Key // accesses not announced, all of one layer
	ended     []expertfs.Key // the group before, which was lent
}

// Announce takes a step that the reader itself gave. It returns the group of
// accesses that this ends, which was a step before the announced one.
func (s *Steps) Announce(_ int, used []expertfs.Key) (ended Step, ok bool) {
	ended, ok = s.Flush()
	s.announced, s.accessed = append(s.announced[:0], used...), 0
	return ended, ok
}

// Access takes one access. The step that it ends came before it, so the caller
// gives that to the policy before it looks the key up.
func (s *Steps) Access(k expertfs.Key) (ended Step, ok bool) {
	if s.expected(k) {
		return Step{}, false
	}
	if n := len(s.group); n > 0 {
		if s.group[n-1] == k {
			return Step{}, false
		}
		if s.group[0].Layer != k.Layer || slices.Contains(s.group, k) {
			ended, ok = s.Flush()
		}
	}
	s.group = append(s.group, k)
	return ended, ok
}

// expected tells whether the access of k is one that was announced. A key that
// returns after others, unannounced, is not: its reader no longer announces.
func (s *Steps) expected(k expertfs.Key) bool {
	i := slices.Index(s.announced, k)
	switch {
	case i < 0:
		return false
	case i < s.accessed && len(s.group) > 0:
		s.announced, s.accessed = s.announced[:0], 0
		return false
	case i >= s.accessed:
		s.announced[i], s.announced[s.accessed] = s.announced[s.accessed], k
		s.accessed++
	}
	return true
}

// Flush ends the group in progress, as when the reader has gone.
func (s *Steps) Flush() (ended Step, ok bool) {
	if len(s.group) == 0 {
		return Step{}, false
	}
	s.group, s.ended = s.ended[:0], s.group
	return Step{Stream: s.stream, Layer: int(s.ended[0].Layer), Used: s.ended, Found: true}, true
}

// Active tells whether k belongs to the step in progress.
func (s *Steps) Active(k expertfs.Key) bool {
	return slices.Contains(s.announced, k) || slices.Contains(s.group, k)
}
