package grammar

import "math/bits"

// tokenSet is a set of token ids in whichever form is smaller.
type tokenSet struct {
	ids  []int32
	bits []uint64 // when not nil, instead of ids
}

// few is how many ids are kept as a list.
const few = 1024

// setOfBits returns the set of a mask, and the bytes that it takes.
func setOfBits(mask []uint64) (*tokenSet, int) {
	n := 0
	for _, w := range mask {
		n += bits.OnesCount64(w)
	}
	if n > few && n*4 > len(mask)*8 || n > 8*few {
		return &tokenSet{bits: append([]uint64(nil), mask...)}, 8 * len(mask)
	}
	s := &tokenSet{ids: make([]int32, 0, n)}
	for i, w := range mask {
		for ; w != 0; w &= w - 1 {
			s.ids = append(s.ids, int32(i*64+bits.TrailingZeros64(w)))
		}
	}
	return s, 4 * n
}

// addTo adds the set to a mask.
func (s *tokenSet) addTo(mask []uint64) {
	if s.bits != nil {
		for i, w := range s.bits {
			mask[i] |= w
		}
		return
	}
	for _, id := range s.ids {
		mask[id>>6] |= 1 << (id & 63)
	}
}

// localMask is what the tokens from a local are, whatever lies beneath.
type localMask struct {
	allowed tokenSet // end within the rule, or just where it may end
	returns []int32  // nodes at which the rule may end, with tokens that go on
}

// addMask adds the tokens that may follow an open stack.
func (a *Automaton) addMask(s *stack, mask []uint64) {
	for i := range a.vocab.tries {
		if len(a.vocab.tries[i].nodes) > 0 {
			a.addTrieMask(i, a.far(s, i), mask)
		}
	}
	a.addSame(mask)
}

// addTrieMask adds those of trie i.
func (a *Automaton) addTrieMask(i int, s *stack, mask []uint64) {
	if s.masks[i] == nil {
		t := &a.vocab.tries[i]
		own := a.scratch(0)
		for _, f := range s.frames {
			m := a.localMask(i, f.at)
			m.allowed.addTo(own)
			if len(m.returns) == 0 {
				continue
			}
			under := a.open(f.under)
			if under.isNone() {
				continue
			}
			for _, n := range m.returns {
				a.walk(t, n+1, t.nodes[n].skip, under, own, nil)
			}
		}
		set, size := setOfBits(own[:len(mask)])
		if a.isSpent() {
			set.addTo(mask) // it may lack tokens: not to be remembered
			return
		}
		a.memory += size
		s.masks[i] = set
	}
	s.masks[i].addTo(mask)
}

// localMask returns the mask of a local alone, of trie i.
func (a *Automaton) localMask(i int, l *local) *localMask {
	if l.masks[i] != nil {
		return l.masks[i]
	}
	key := a.shareKey(i, l)
	if m := a.vocab.shared.get(key); m != nil {
		l.masks[i] = m
		return m
	}
	t := &a.vocab.tries[i]
	alone := a.intern([]frame{{l, a.bottom}}, false)
	own := a.scratch(1)
	m := &localMask{}
	a.walk(t, 0, int32(len(t.nodes)), alone, own, &m.returns)
	set, size := setOfBits(own[:a.vocab.Words()])
	m.allowed = *set
	if !a.isSpent() {
		size += 4 * len(m.returns)
		a.memory += size
		l.masks[i] = m
		a.vocab.shared.put(key, m, size)
	}
	return m
}

// walk sets the bits of the tokens among the nodes from first to last, which
// have one parent, that can follow the open stack s at their parent. Nodes with
// tokens below at which the text may end are appended to returns.
func (a *Automaton) walk(t *trie, first, last int32, s *stack, mask []uint64, returns *[]int32) {
	if first >= last {
		return
	}
	nodes, classOf := t.nodes, &a.grammar.classOf
	base := nodes[first].depth
	path := a.path
	path[0] = s
	for n := first; n < last; {
		at := &nodes[n]
		from := path[at.depth-base]
		c := classOf[at.byte]
		var to *stack
		if int(c) < len(from.next) {
			to = from.next[c]
		}
		if to == nil {
			to = a.step(from, c)
		}
		if to.isNone() {
			n = at.skip
			continue
		}
		mask[at.token>>6] |= 1 << (at.token & 63) // a bit behind all others where none ends
		if to.end && returns != nil && at.skip > n+1 {
			*returns = append(*returns, n)
		}
		if len(to.frames) == 0 {
			n = at.skip
			continue
		}
		path[at.depth-base+1] = to
		n++
	}
}

// addSame gives tokens with the same bytes the same bit.
func (a *Automaton) addSame(mask []uint64) {
	for first, others := range a.vocab.same {
		if mask[first>>6]&(1<<(first&63)) != 0 {
			for _, id := range others {
				mask[id>>6] |= 1 << (id & 63)
			}
		}
	}
}

// scratch returns an empty mask that is overwritten by the next call with i.
func (a *Automaton) scratch(i int) []uint64 {
	if a.scratches[i] == nil {
		a.scratches[i] = make([]uint64, a.vocab.Words()+1) // the last word is for noToken
	}
	clear(a.scratches[i])
	return a.scratches[i]
}
