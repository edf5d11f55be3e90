package policy

import (
	"iter"
	"slices"
)

// Steps finds the steps in what a reader does. It is pure and not safe for
// concurrent use; the zero value with Emit set is ready.
//
// A reader that announces its steps is taken at its word: Announce emits the
// step at once and the accesses of its keys form no group of their own.
// Other accesses are grouped: successive ones of one layer are one step, which
// a change of layer ends. A key that comes again ends it too (the next token,
// in a model of one layer), except the one accessed last, because programs
// open a file more than once to read it.
type Steps struct {
	// Emit receives each step. The slice is only lent.
	Emit func(layer int, used []Key)

	announced []Key // the keys of the step announced last
	accessed  int   // as many of them, moved to the front, were accessed
	group     []Key // accesses not announced, all of one layer
	found     bool  // the step being emitted was not announced
}

// Announce takes a step that the reader itself gave.
func (s *Steps) Announce(layer int, used []Key) {
	s.Flush()
	s.announced, s.accessed = append(s.announced[:0], used...), 0
	s.found = false
	s.Emit(layer, used)
}

// Access takes one access. A step that it ends is emitted before it returns,
// so call it before the access is looked up.
func (s *Steps) Access(k Key) {
	if s.expected(k) {
		return
	}
	if n := len(s.group); n > 0 {
		if s.group[n-1] == k {
			return
		}
		if s.group[0].Layer != k.Layer || slices.Contains(s.group, k) {
			s.Flush()
		}
	}
	s.group = append(s.group, k)
}

// expected tells whether the access of k is one that was announced. A key that
// returns after others, unannounced, is not: its reader no longer announces.
func (s *Steps) expected(k Key) bool {
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

// Flush ends the group in progress, as at the end of a recording.
func (s *Steps) Flush() {
	if len(s.group) > 0 {
		s.found = true
		s.Emit(int(s.group[0].Layer), s.group)
		s.group = s.group[:0]
	}
}

// Found tells, while a step is emitted, that it was found in the order of
// accesses and not announced.
func (s *Steps) Found() bool { return s.found }

// Active tells whether k belongs to the step in progress.
func (s *Steps) Active(k Key) bool {
	return slices.Contains(s.announced, k) || slices.Contains(s.group, k)
}

// Victims yields the victims of p with the keys of the step in progress at
// the end, so that they go only when nothing else is left.
func (s *Steps) Victims(p Policy) iter.Seq[Key] {
	return func(yield func(Key) bool) {
		var held []Key
		for k := range p.Victims() {
			if s.Active(k) {
				held = append(held, k)
			} else if !yield(k) {
				return
			}
		}
		for _, k := range held {
			if !yield(k) {
				return
			}
		}
	}
}
