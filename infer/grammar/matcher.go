package grammar

import (
	"fmt"
	"slices"
)

// Matcher follows one text, token by token. It has one user at a time.
//
// A generation goes: while not Done, append Forced text if there is any;
// otherwise Mask, choose one of the tokens allowed, Accept it.
type Matcher struct {
	a    *Automaton
	at   State
	ends []int
	over bool
}

// NewMatcher begins a text. Where the text may end, the tokens ends are allowed,
// such as <|return|>; there may be none. They are ids of the vocabulary.
func (a *Automaton) NewMatcher(ends ...int) *Matcher {
	m := &Matcher{a: a, at: a.Start()}
	for _, id := range ends {
		if id >= 0 && id < a.vocab.size {
			m.ends = append(m.ends, id)
		}
	}
	return m
}

// Clone returns a Matcher of the same text that goes on by itself.
func (m *Matcher) Clone() *Matcher {
	c := *m
	return &c
}

// Words is the length of a mask.
func (m *Matcher) Words() int { return m.a.vocab.Words() }

// Mask sets the bits of the tokens that may come next, and clears the others;
// token id is bit id%64 of bits[id/64]. There is at least one until Done,
// unless the text has come to where Accept returns ErrComplex.
func (m *Matcher) Mask(bits []uint64) {
	if m.over {
		clear(bits)
		return
	}
	m.a.Mask(m.at, bits)
	if m.a.Accepts(m.at) {
		for _, id := range m.ends {
			bits[id>>6] |= 1 << (id & 63)
		}
	}
}

// Accept takes the next token. A token that Mask does not allow gives an error
// and changes nothing.
func (m *Matcher) Accept(id int) error {
	if m.over {
		return fmt.Errorf("%w: the text has ended", ErrNotAllowed)
	}
	if m.a.Accepts(m.at) && slices.Contains(m.ends, id) {
		m.over = true
		return nil
	}
	next, err := m.a.Advance(m.at, id)
	m.at = next
	return err
}

// Done tells whether the text is complete and can only end: an end token was
// accepted, or nothing else is allowed.
func (m *Matcher) Done() bool { return m.over || m.a.Ended(m.at) }

// Complete tells whether the text may end here.
func (m *Matcher) Complete() bool { return m.over || m.a.Accepts(m.at) }

// Forced returns the bytes that follow by necessity; see Automaton.Forced. They
// say nothing of where their tokens begin and end: see ForcedTokens.
func (m *Matcher) Forced() []byte {
	if m.over {
		return nil
	}
	return m.a.Forced(m.at)
}

// ForcedTokens returns tokens to append without sampling, and accepts them.
//
// They are the tokens that encode gives for the forced text, without the last
// of them where a longer token could begin with it: that one the model chooses,
// so that it sees the text cut as it was trained to. Of {"name": before a free
// string, for example, {" and name are returned, and the model chooses between
// ": and ":" by itself.
func (m *Matcher) ForcedTokens(encode func(text string) []int) []int {
	text := m.Forced()
	if len(text) == 0 {
		return nil
	}
	ids := encode(string(text))
	at, rest := m.at, string(text)
	for i, id := range ids {
		if len(rest) < m.a.vocab.deep && m.a.goesOn(at, rest) {
			ids = ids[:i]
			break
		}
		next, err := m.a.Advance(at, id)
		if err != nil { // encode does not give the text back
			ids = ids[:i]
			break
		}
		at, rest = next, rest[min(len(m.a.vocab.texts[id]), len(rest)):]
	}
	m.at = at
	return ids
}

// goesOn tells whether a token that begins with text and is longer can follow s.
func (a *Automaton) goesOn(s State, text string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	after, n, _ := a.follow(a.begin(s), text)
	if text == "" || n < len(text) {
		return false
	}
	found := a.scratch(0)
	for i := range a.vocab.tries {
		t := &a.vocab.tries[i]
		first, last := t.find(text)
		a.walk(t, first, last, after, found, nil)
	}
	return slices.ContainsFunc(found[:a.vocab.Words()], func(w uint64) bool { return w != 0 })
}
