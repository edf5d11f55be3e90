package grammar

import (
	"encoding/binary"
	"slices"
)

// local is a set of states of one rule, closed under edges that take no byte:
// where the rule's part of a text may be. There is one for each set.
type local struct {
	id      uint32
	rule    int32
	states  []int32     // ascending; those that only have empty edges are left out
	callees []int32     // rules that may be called here
	calls   []localCall // of the callees; made at the first use
	accept  bool        // the rule may end here
	bytes   bool        // the rule may go on with a byte of its own
	next    []*local    // by class of byte: nil where unknown, noLocal where impossible

	masks [tries]*localMask // by trie: tokens that do not depend on the stack; nil until asked for
}

// localCall is the call of a rule, which begins at first, after which the
// caller goes on at back.
type localCall struct {
	first, back *local
	tail        bool // nothing follows the call but the end of the caller's rule
}

// noLocal stands for a step that is not possible.
var noLocal = &local{}

// localOf returns the local of a rule's states and all that they reach without
// a byte.
func (a *Automaton) localOf(states []int32) *local {
	g := a.grammar
	seen := make(map[int32]bool, len(states))
	queue := slices.Clone(states)
	kept := make([]int32, 0, len(states))
	for len(queue) > 0 {
		q := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if seen[q] {
			continue
		}
		seen[q] = true
		s := &g.states[q]
		queue = append(queue, s.empty...)
		if len(s.bytes) > 0 || len(s.calls) > 0 || q == g.accept[s.rule] {
			kept = append(kept, q)
		}
	}
	a.work += len(seen) / 8
	if len(kept) == 0 {
		return noLocal
	}
	slices.Sort(kept)
	return a.internLocal(kept)
}

// internLocal returns the local of a closed set, ascending and not empty.
func (a *Automaton) internLocal(states []int32) *local {
	key := make([]byte, 0, 4*len(states))
	for _, q := range states {
		key = binary.LittleEndian.AppendUint32(key, uint32(q))
	}
	if l, ok := a.locals[string(key)]; ok {
		return l
	}
	g := a.grammar
	l := &local{id: a.newID(), rule: g.states[states[0]].rule, states: states}
	a.locals[string(key)] = l
	a.memory += 200 + 9*len(states)
	for _, q := range states {
		s := &g.states[q]
		l.bytes = l.bytes || len(s.bytes) > 0
		l.accept = l.accept || q == g.accept[s.rule]
		for _, c := range s.calls {
			if !slices.Contains(l.callees, c.rule) {
				l.callees = append(l.callees, c.rule)
			}
		}
	}
	return l
}

// localCalls returns the calls of l.
func (a *Automaton) localCalls(l *local) []localCall {
	if len(l.calls) == len(l.callees) {
		return l.calls
	}
	back := make(map[int32][]int32)
	for _, q := range l.states {
		for _, c := range a.grammar.states[q].calls {
			back[c.rule] = append(back[c.rule], c.to)
		}
	}
	l.calls = make([]localCall, len(l.callees))
	for i, rule := range l.callees {
		b := a.localOf(back[rule])
		l.calls[i] = localCall{
			first: a.localOf([]int32{a.grammar.start[rule]}),
			back:  b,
			tail:  b.accept && len(b.states) == 1 && !b.bytes && len(b.callees) == 0,
		}
	}
	return l.calls
}

// localStep returns the local after a byte of class c.
func (a *Automaton) localStep(l *local, c uint8) *local {
	if l.next == nil {
		l.next = make([]*local, a.grammar.classes)
		a.memory += 8 * a.grammar.classes
	}
	if l.next[c] == nil {
		b := a.grammar.byteOf[c]
		var to []int32
		for _, q := range l.states {
			for _, e := range a.grammar.states[q].bytes {
				if b >= e.lo && b <= e.hi {
					to = append(to, e.to)
				}
			}
		}
		l.next[c] = a.localOf(to)
	}
	return l.next[c]
}

// localUnion returns the local of the states of all frames, of one rule.
func (a *Automaton) localUnion(frames []frame) *local {
	if len(frames) == 1 {
		return frames[0].at
	}
	var all []int32
	for _, f := range frames {
		all = append(all, f.at.states...)
	}
	a.work += len(all) / 8
	slices.Sort(all)
	return a.internLocal(slices.Compact(all))
}
