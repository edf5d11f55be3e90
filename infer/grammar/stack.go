package grammar

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// stack is a set of stacks of calls, each a frame on top of others. The empty
// one stands for the end of the text. There is one for each set, as long as
// the automaton remembers it.
//
// A stack is used in two ways. Beneath a frame it says where the rules that
// called it go on; on top, where it is called open, calls have been entered and
// rules that may end have been left, so that each frame waits for a byte.
type stack struct {
	id     uint32
	depth  int32
	end    bool // the empty stack is in the set
	frames []frame
	next   []*stack // of an open stack, by class: the open one after a byte
	opened *stack   // of one beneath a frame: the same, open

	masks [tries]*tokenSet // of an open stack, by trie; nil until asked for
	far   [tries]*stack    // see Automaton.far
}

// frame is a local, and what it returns to.
type frame struct {
	at    *local
	under *stack
}

var (
	// dead is the stack after a byte that cannot follow.
	dead = &stack{}
	// beyond is the stack after a byte that leads beyond the limits.
	beyond = &stack{}
)

// isNone tells whether no text can be followed from s.
func (s *stack) isNone() bool { return s == dead || s == beyond }

// opener gathers the frames of an open stack.
type opener struct {
	a      *Automaton
	frames []frame
	end    bool
	seen   map[[2]uint32]bool
	work   int
	failed bool // there was too much to do
}

// enter adds frame f with all that it calls and returns to.
func (o *opener) enter(f frame) {
	key := [2]uint32{f.at.id, f.under.id}
	if o.failed || o.seen[key] {
		return
	}
	o.seen[key] = true
	if o.work++; o.work > maxStep {
		o.failed = true
		return
	}
	if f.at.bytes {
		o.frames = append(o.frames, f)
	}
	if f.at.accept {
		o.leave(f.under)
	}
	for _, c := range o.a.localCalls(f.at) {
		under := f.under
		if !c.tail {
			if under = o.a.intern([]frame{{c.back, f.under}}, false); under == beyond {
				o.failed = true
				return
			}
		}
		o.enter(frame{c.first, under})
	}
}

// leave adds what follows when the rule above s has ended.
func (o *opener) leave(s *stack) {
	o.end = o.end || s.end
	for _, f := range s.frames {
		o.enter(f)
	}
}

// close returns the open stack, or dead or beyond.
func (o *opener) close() *stack {
	o.a.work += o.work
	if o.failed {
		return beyond
	}
	return o.a.set(o.frames, o.end)
}

func (a *Automaton) opener() *opener {
	return &opener{a: a, seen: make(map[[2]uint32]bool)}
}

// open returns the open stack of what a rule above s may return to.
func (a *Automaton) open(s *stack) *stack {
	if s.opened != nil {
		return s.opened
	}
	o := a.opener()
	o.leave(s)
	opened := o.close()
	if !a.isSpent() {
		s.opened = opened
	}
	return opened
}

// step returns the open stack after an open one and a byte of class c.
func (a *Automaton) step(s *stack, c uint8) *stack {
	if s.next != nil && s.next[c] != nil {
		return s.next[c]
	}
	if a.isSpent() {
		return beyond
	}
	if s.next == nil {
		s.next = make([]*stack, a.grammar.classes)
		a.memory += 8 * a.grammar.classes
	}
	o := a.opener()
	for _, f := range s.frames {
		if at := a.localStep(f.at, c); at != noLocal {
			o.enter(frame{at, f.under})
		}
	}
	next := o.close()
	if !a.isSpent() { // otherwise a later operation may get further
		s.next[c] = next
	}
	return next
}

// set returns the stack of frames in any order. It joins the frames of one rule
// above the same stack, and then those with the same local, so that readings
// that differ no longer become one.
func (a *Automaton) set(frames []frame, end bool) *stack {
	if len(frames) == 0 && !end {
		return dead
	}
	slices.SortFunc(frames, func(f, g frame) int {
		return cmp.Or(cmp.Compare(f.at.rule, g.at.rule), cmp.Compare(f.under.id, g.under.id), cmp.Compare(f.at.id, g.at.id))
	})
	n := 0
	for i := 0; i < len(frames); n++ {
		first := i
		for i < len(frames) && frames[i].at.rule == frames[first].at.rule && frames[i].under == frames[first].under {
			i++
		}
		frames[n] = frame{a.localUnion(frames[first:i]), frames[first].under}
	}
	frames = frames[:n]
	slices.SortFunc(frames, func(f, g frame) int {
		return cmp.Or(cmp.Compare(f.at.id, g.at.id), cmp.Compare(f.under.id, g.under.id))
	})
	n = 0
	for i := 0; i < len(frames); n++ {
		first := i
		for i < len(frames) && frames[i].at == frames[first].at {
			i++
		}
		under := a.union(frames[first:i])
		if under == beyond {
			return beyond
		}
		frames[n] = frame{frames[first].at, under}
	}
	return a.intern(frames[:n], end)
}

// union returns the stack that is the union of all beneath frames, or beyond.
func (a *Automaton) union(frames []frame) *stack {
	s := frames[0].under
	if len(frames) == 1 {
		return s
	}
	key := [2]uint32{s.id, frames[1].under.id}
	if len(frames) == 2 {
		if u, ok := a.unions[key]; ok {
			return u
		}
	}
	var all []frame
	end := false
	for _, f := range frames {
		all = append(all, f.under.frames...)
		end = end || f.under.end
	}
	if a.work += len(all); a.isSpent() {
		return beyond
	}
	u := a.set(all, end)
	if len(frames) == 2 && !a.isSpent() {
		a.unions[key] = u
		a.memory += 64
	}
	return u
}

// intern returns the stack with exactly these frames, ordered by local, or
// beyond when there are too many or too deep a stack beneath them.
func (a *Automaton) intern(frames []frame, end bool) *stack {
	if len(frames) > maxFrames {
		return beyond
	}
	key := make([]byte, 0, 64)
	depth := int32(0)
	for _, f := range frames {
		key = binary.LittleEndian.AppendUint32(key, f.at.id)
		key = binary.LittleEndian.AppendUint32(key, f.under.id)
		depth = max(depth, f.under.depth+1)
	}
	if end {
		key = append(key, 1)
	}
	if s, ok := a.stacks[string(key)]; ok {
		return s
	}
	if depth > maxDepth {
		return beyond
	}
	s := &stack{id: a.newID(), depth: depth, end: end, frames: slices.Clone(frames)}
	a.stacks[string(key)] = s
	a.memory += 200 + 48*len(frames)
	return s
}
