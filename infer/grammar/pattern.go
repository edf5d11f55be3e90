package grammar

import (
	"fmt"
	"regexp/syntax"
	"unicode"
)

// patternMachine returns the machine of the texts in which a pattern matches
// somewhere, as JSON Schema means it.
//
// Lookahead is followed where it is all that stands between ^ and the rest, as
// in ^(?=.*[0-9])(?!admin).+$: there it says something of the text as a whole.
func patternMachine(w *effort, pattern string) (*machine, error) {
	heads, rest, err := splitLookahead(translate(pattern))
	if err != nil {
		return nil, err
	}
	m, err := plainMachine(w, rest)
	for _, h := range heads {
		if err != nil {
			return nil, err
		}
		var other *machine
		if other, err = plainMachine(w, "^(?:"+h.pattern+")"); err == nil && h.negative {
			other, err = other.complement(w)
		}
		if err == nil {
			m, err = m.intersect(w, other)
		}
	}
	return m, err
}

// plainMachine does it for a pattern without lookahead, in Go's form.
func plainMachine(w *effort, pattern string) (*machine, error) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	p := &patternBuilder{}
	start, end := p.state(), p.state()
	// Anything may come before and after what matches.
	p.states[start].edges = append(p.states[start].edges, machineEdge{anyRune, start})
	p.states[end].edges = append(p.states[end].edges, machineEdge{anyRune, end})
	first := p.state()
	p.empty(start, first, noAssertion)
	if err := p.build(re, first, end); err != nil {
		return nil, err
	}
	return p.machine(w, start, end)
}

// patternBuilder makes a nondeterministic automaton with empty edges.
type patternBuilder struct{ states []patternState }

type patternState struct {
	edges []machineEdge
	empty []patternEmpty
}

// patternEmpty is an edge that takes no character, where its assertion holds.
type patternEmpty struct {
	to        int
	assertion assertion
}

type assertion uint8

const (
	noAssertion assertion = iota
	atBegin
	atEnd
)

func (p *patternBuilder) state() int {
	p.states = append(p.states, patternState{})
	return len(p.states) - 1
}

func (p *patternBuilder) empty(from, to int, a assertion) {
	p.states[from].empty = append(p.states[from].empty, patternEmpty{to, a})
}

func (p *patternBuilder) on(from, to int, set runeSet) {
	p.states[from].edges = append(p.states[from].edges, machineEdge{set, to})
}

// build adds what matches re between two states.
func (p *patternBuilder) build(re *syntax.Regexp, from, to int) error {
	if len(p.states) > maxMachine {
		return errMachine
	}
	switch re.Op {
	case syntax.OpEmptyMatch:
		p.empty(from, to, noAssertion)
	case syntax.OpNoMatch:
	case syntax.OpLiteral:
		for i, r := range re.Rune {
			next := to
			if i+1 < len(re.Rune) {
				next = p.state()
			}
			p.on(from, next, foldSet(r, re.Flags&syntax.FoldCase != 0))
			from = next
		}
	case syntax.OpCharClass:
		var set []runeRange
		for i := 0; i+1 < len(re.Rune); i += 2 {
			set = append(set, runeRange{re.Rune[i], re.Rune[i+1]})
		}
		p.on(from, to, setOf(set...).intersect(anyRune))
	case syntax.OpAnyChar:
		p.on(from, to, anyRune)
	case syntax.OpAnyCharNotNL:
		// ECMAScript's dot matches none of four line ends.
		p.on(from, to, runeSet{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}.negate())
	case syntax.OpBeginText:
		p.empty(from, to, atBegin)
	case syntax.OpEndText:
		p.empty(from, to, atEnd)
	case syntax.OpCapture:
		return p.build(re.Sub[0], from, to)
	case syntax.OpConcat:
		for i, sub := range re.Sub {
			next := to
			if i+1 < len(re.Sub) {
				next = p.state()
			}
			if err := p.build(sub, from, next); err != nil {
				return err
			}
			from = next
		}
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if err := p.build(sub, from, to); err != nil {
				return err
			}
		}
	case syntax.OpStar:
		return p.repeat(re.Sub[0], 0, -1, from, to)
	case syntax.OpPlus:
		return p.repeat(re.Sub[0], 1, -1, from, to)
	case syntax.OpQuest:
		return p.repeat(re.Sub[0], 0, 1, from, to)
	case syntax.OpRepeat:
		return p.repeat(re.Sub[0], re.Min, re.Max, from, to)
	default:
		return fmt.Errorf("%s is not supported", re)
	}
	return nil
}

func (p *patternBuilder) repeat(sub *syntax.Regexp, least, most int, from, to int) error {
	for range least {
		next := p.state()
		if err := p.build(sub, from, next); err != nil {
			return err
		}
		from = next
	}
	if most < 0 {
		loop, last := p.state(), p.state()
		p.empty(from, loop, noAssertion)
		p.empty(last, loop, noAssertion)
		p.empty(loop, to, noAssertion)
		return p.build(sub, loop, last)
	}
	for range most - least {
		p.empty(from, to, noAssertion)
		next := p.state()
		if err := p.build(sub, from, next); err != nil {
			return err
		}
		from = next
	}
	p.empty(from, to, noAssertion)
	return nil
}

// patternAt is a state, and where in the text it is.
type patternAt struct {
	state int
	where where
}

type where uint8

const (
	begin  where = iota // before the first character
	middle              // after a character
	closed              // where no character may follow
)

// machine returns the automaton without empty edges.
func (p *patternBuilder) machine(w *effort, start, end int) (*machine, error) {
	return explore(w, patternAt{start, begin}, func(s patternAt, x *explorer[patternAt]) bool {
		accept := false
		seen := make(map[patternAt]bool)
		queue := []patternAt{s}
		for len(queue) > 0 {
			at := queue[len(queue)-1]
			queue = queue[:len(queue)-1]
			if seen[at] {
				continue
			}
			seen[at] = true
			if !x.spend(1) {
				return false
			}
			accept = accept || at.state == end
			for _, e := range p.states[at.state].empty {
				switch {
				case e.assertion == atEnd:
					queue = append(queue, patternAt{e.to, closed})
				case e.assertion == noAssertion || s.where == begin:
					queue = append(queue, patternAt{e.to, at.where})
				}
			}
			if at.where != closed {
				for _, e := range p.states[at.state].edges {
					x.edge(e.on, patternAt{e.to, middle})
				}
			}
		}
		return accept
	})
}

// foldSet is a character, in both cases when fold is set.
func foldSet(r rune, fold bool) runeSet {
	set := []runeRange{{r, r}}
	if fold {
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			set = append(set, runeRange{f, f})
		}
	}
	return setOf(set...).intersect(anyRune)
}
