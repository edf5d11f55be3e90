package grammar

import "slices"

// far returns a stack that allows the same tokens of trie i as the open stack
// s. Where a counted repetition is further from its bounds than a token is
// long, it stands nearer, and states of a pattern that tokens cannot tell apart
// stand for one another: all such counts have one mask.
func (a *Automaton) far(s *stack, i int) *stack {
	if len(a.grammar.chains)+len(a.grammar.twins) == 0 || len(s.frames) == 0 {
		return s
	}
	if s.far[i] != nil {
		return s.far[i]
	}
	frames := make([]frame, len(s.frames))
	same := true
	for n, f := range s.frames {
		frames[n] = frame{a.farLocal(f.at, i), a.far(f.under, i)}
		same = same && frames[n] == f
	}
	t := s
	if !same {
		if t = a.set(frames, s.end); t.isNone() {
			return s
		}
	}
	s.far[i] = t
	return t
}

// farLocal does it for a local.
func (a *Automaton) farLocal(l *local, trie int) *local {
	deep := a.vocab.tries[trie].deep
	moved := false
	states := make([]int32, len(l.states))
	for i, q := range l.states {
		states[i] = a.grammar.farState(q, trie, deep)
		moved = moved || states[i] != q
	}
	if !moved {
		return l
	}
	slices.Sort(states)
	return a.internLocal(slices.Compact(states))
}

// farState does it for a state and texts of that many bytes. Every turn of a
// repetition takes a byte, and so does every character of a pattern.
func (g *Grammar) farState(q int32, trie, deep int) int32 {
	number := g.states[q].chain
	if number == 0 {
		if twins, ok := g.twins[q]; ok && deep <= spans[trie] {
			return twins[trie]
		}
		return q
	}
	c := &g.chains[number-1]
	n := int(q - c.first)
	switch {
	case c.body == noBody:
	case n < c.min:
		n = max(n, c.min-deep)
	case c.max >= 0:
		n = max(n, c.max-deep)
	}
	return c.first + int32(n)
}
