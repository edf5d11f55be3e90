package grammar

import (
	"errors"
	"fmt"
	"sync"
)

// Automaton follows texts of a grammar in the tokens of a vocabulary. It
// remembers what it has computed, so that one should serve all texts with the
// grammar. It is safe for concurrent use.
type Automaton struct {
	grammar *Grammar
	vocab   *Vocabulary
	budget  int // bytes to keep before all is forgotten

	mu         sync.Mutex // guards all below
	generation int        // how often all was forgotten
	ids        uint32
	memory     int // bytes kept since then, about
	work       int // frames looked at in this operation
	locals     map[string]*local
	stacks     map[string]*stack
	unions     map[[2]uint32]*stack
	bottom     *stack   // the end of the text
	path       []*stack // scratch of walk, by depth
	scratches  [2][]uint64
}

// State is where a text is. It belongs to its Automaton, and is not changed.
type State struct {
	open       *stack
	generation int
}

// NewAutomaton returns the automaton of a grammar and a vocabulary.
func NewAutomaton(g *Grammar, v *Vocabulary) *Automaton {
	a := &Automaton{grammar: g, vocab: v, budget: maxMemory, path: make([]*stack, v.deep+1)}
	a.forget()
	return a
}

// Memory is about how many bytes the automaton and its grammar take. It grows as
// texts are followed, to some 8 MB above the grammar's own.
func (a *Automaton) Memory() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.memory + 120*len(a.grammar.states)
}

// Vocabulary returns the vocabulary of the automaton.
func (a *Automaton) Vocabulary() *Vocabulary { return a.vocab }

func (a *Automaton) forget() {
	a.locals, a.stacks = make(map[string]*local), make(map[string]*stack)
	a.unions = make(map[[2]uint32]*stack)
	a.memory = 0
	a.generation++
	a.bottom = a.intern(nil, true)
}

// isSpent tells whether the operation has taken all that one may.
func (a *Automaton) isSpent() bool { return a.work > maxWork || a.memory > 4*maxMemory }

func (a *Automaton) newID() uint32 {
	a.ids++
	return a.ids
}

// tidy starts an operation.
func (a *Automaton) tidy() {
	a.work = 0
	if a.memory > a.budget || a.ids > 1<<31 {
		a.ids = 0
		a.forget()
	}
}

// begin starts an operation on a state and returns its stack.
func (a *Automaton) begin(s State) *stack {
	a.tidy()
	if s.generation != a.generation {
		return a.recall(s.open, make(map[*stack]*stack))
	}
	return s.open
}

// recall makes a stack of an earlier generation anew.
func (a *Automaton) recall(s *stack, made map[*stack]*stack) *stack {
	if t, ok := made[s]; ok {
		return t
	}
	frames := make([]frame, len(s.frames))
	for i, f := range s.frames {
		frames[i] = frame{a.internLocal(f.at.states), a.recall(f.under, made)}
	}
	t := a.set(frames, s.end)
	made[s] = t
	return t
}

func (a *Automaton) state(s *stack) State { return State{s, a.generation} }

// Start returns the state before the first token.
func (a *Automaton) Start() State {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tidy()
	o := a.opener()
	o.enter(frame{a.localOf([]int32{a.grammar.start[0]}), a.bottom})
	s := o.close()
	if s.isNone() {
		// The limits forbid even the first byte: a text that can only be refused.
		s = a.intern(nil, false)
	}
	return a.state(s)
}

// Mask sets the bits of the tokens that may follow s and clears all others.
// bits has Words words.
func (a *Automaton) Mask(s State, bits []uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(bits)
	a.addMask(a.begin(s), bits)
}

// ErrNotAllowed is returned for a token that cannot follow.
var ErrNotAllowed = errors.New("the grammar does not allow the token here")

// Advance returns the state after a token.
func (a *Automaton) Advance(s State, id int) (State, error) {
	if id < 0 || id >= a.vocab.size || a.vocab.texts[id] == "" {
		return s, fmt.Errorf("%w: %d is no token of text", ErrNotAllowed, id)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	next, n, isBeyond := a.follow(a.begin(s), a.vocab.texts[id])
	if isBeyond {
		return s, ErrComplex
	}
	if n < len(a.vocab.texts[id]) {
		return s, fmt.Errorf("%w: %d, %q", ErrNotAllowed, id, a.vocab.texts[id])
	}
	return a.state(next), nil
}

// AdvanceBytes returns the state after text, or as much of it as can follow s,
// and how many bytes that are.
func (a *Automaton) AdvanceBytes(s State, text string) (State, int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at, n, _ := a.follow(a.begin(s), text)
	return a.state(at), n
}

// follow returns the stack after as much of text as can follow s, how many bytes
// that are, and whether a limit ended it.
func (a *Automaton) follow(s *stack, text string) (at *stack, n int, isBeyond bool) {
	for i := range len(text) {
		next := a.step(s, a.grammar.classOf[text[i]])
		if next.isNone() {
			return s, i, next == beyond
		}
		s = next
	}
	return s, len(text), false
}

// Accepts tells whether the text up to s is complete.
func (a *Automaton) Accepts(s State) bool { return s.open.end }

// Ended tells whether the text up to s is complete and nothing can follow.
func (a *Automaton) Ended(s State) bool { return s.open.end && len(s.open.frames) == 0 }

// Forced returns the longest text that follows s by necessity: the only byte
// that may follow, and so on until there are two, or the text may end. It is
// empty where there is a choice.
func (a *Automaton) Forced(s State) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.begin(s)
	var text []byte
	for !at.end && len(text) < maxForced {
		c, ok := a.only(at)
		if !ok {
			break
		}
		next := a.step(at, c)
		if next.isNone() {
			break
		}
		text = append(text, a.grammar.byteOf[c])
		at = next
	}
	return text
}

// only returns the class of the one byte that can follow, if it is one.
func (a *Automaton) only(s *stack) (uint8, bool) {
	found, only := false, uint8(0)
	for c := range a.grammar.classes {
		for _, f := range s.frames {
			if a.localStep(f.at, uint8(c)) == noLocal {
				continue
			}
			if found || !a.grammar.single[c] {
				return 0, false
			}
			found, only = true, uint8(c)
			break
		}
	}
	return only, found
}
