package grammar

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"
)

// machine is a finite automaton over the characters of a text, such as the
// content of a string. It begins in state 0 and may be nondeterministic.
type machine struct{ states []machineState }

type machineState struct {
	accept bool
	edges  []machineEdge
}

type machineEdge struct {
	on runeSet
	to int
}

const (
	maxMachine      = 1 << 15 // states
	maxMachineEdges = 1 << 17
)

var errMachine = errors.New("it takes too many states")

// effort is how many edges may still be looked at to make the machines of one
// schema.
type effort struct{ left int }

func newEffort() *effort { return &effort{1 << 24} }

// explorer makes the machine of all that can be reached from a first state.
type explorer[S comparable] struct {
	number map[S]int
	found  []S
	states []machineState
	out    []machineEdge // of the state that is being looked at
	edges  int
	effort *effort
}

// explore makes a machine. next adds the edges of a state, and tells whether it
// accepts.
func explore[S comparable](w *effort, first S, next func(s S, x *explorer[S]) (accept bool)) (*machine, error) {
	x := &explorer[S]{number: make(map[S]int), effort: w}
	x.state(first)
	for i := 0; i < len(x.found); i++ {
		x.out = nil
		accept := next(x.found[i], x)
		x.states[i] = machineState{accept, x.out}
		if len(x.found) > maxMachine || x.edges > maxMachineEdges || w.left < 0 {
			return nil, errMachine
		}
	}
	return &machine{x.states}, nil
}

func (x *explorer[S]) state(s S) int {
	i, ok := x.number[s]
	if !ok {
		i = len(x.found)
		x.number[s] = i
		x.found = append(x.found, s)
		x.states = append(x.states, machineState{})
	}
	return i
}

func (x *explorer[S]) edge(on runeSet, to S) {
	if len(on) > 0 && x.edges <= maxMachineEdges && x.spend(1) {
		x.edges++
		x.out = append(x.out, machineEdge{on, x.state(to)})
	}
}

// spend counts work, and tells whether there may be more.
func (x *explorer[S]) spend(n int) bool {
	x.effort.left -= n
	return x.effort.left >= 0 && x.edges <= maxMachineEdges
}

// intersect returns the machine of the texts that both accept.
func (m *machine) intersect(w *effort, other *machine) (*machine, error) {
	return explore(w, [2]int{0, 0}, func(s [2]int, x *explorer[[2]int]) bool {
		p, q := &m.states[s[0]], &other.states[s[1]]
		for _, e := range p.edges {
			for _, f := range q.edges {
				if !x.spend(1 + (len(e.on)+len(f.on))/4) {
					return false
				}
				x.edge(e.on.intersect(f.on), [2]int{e.to, f.to})
			}
		}
		return p.accept && q.accept
	})
}

// complement returns the machine of the texts that m does not accept.
func (m *machine) complement(w *effort) (*machine, error) {
	// A state is a set of m's, spelled out; the empty one accepts all.
	sets := map[string][]int{"": nil}
	spell := func(set []int) string {
		slices.Sort(set)
		set = slices.Compact(set)
		var key []byte
		for _, q := range set {
			key = binary.AppendUvarint(key, uint64(q))
		}
		sets[string(key)] = set
		return string(key)
	}
	return explore(w, spell([]int{0}), func(s string, x *explorer[string]) bool {
		accept := true
		var edges []machineEdge
		cuts := []rune{0, 0xE000, utf8.MaxRune + 1} // no range may hold the surrogates
		for _, q := range sets[s] {
			accept = accept && !m.states[q].accept
			for _, e := range m.states[q].edges {
				edges = append(edges, e)
				for _, r := range e.on {
					cuts = append(cuts, r.lo, r.hi+1)
				}
			}
		}
		slices.Sort(cuts)
		cuts = slices.Compact(cuts)
		if !x.spend(len(cuts) * len(edges)) {
			return false
		}
		to := make(map[string][]runeRange)
		for i := range len(cuts) - 1 {
			var set []int
			for _, e := range edges {
				if e.on.has(cuts[i]) {
					set = append(set, e.to)
				}
			}
			key := spell(set)
			to[key] = append(to[key], runeRange{cuts[i], cuts[i+1] - 1})
		}
		for _, key := range slices.Sorted(maps.Keys(to)) {
			x.edge(setOf(to[key]...).intersect(anyRune), key)
		}
		return accept
	})
}

// lengths returns the machine of texts of at least least and at most most
// characters; without an upper limit when most is negative.
func lengths(w *effort, least, most int) (*machine, error) {
	return explore(w, 0, func(n int, x *explorer[int]) bool {
		switch {
		case n < max(least, most):
			x.edge(anyRune, n+1)
		case most < 0:
			x.edge(anyRune, n)
		}
		return n >= least
	})
}

// otherThan returns the machine of all texts but the given ones.
func otherThan(w *effort, texts []string) (*machine, error) {
	// A state is a beginning of some of the texts, or off when it is of none.
	type at struct {
		off    bool
		prefix string
	}
	follow := make(map[string][]rune)
	known := make(map[string]bool)
	for _, t := range texts {
		known[t] = true
		for i, r := range t {
			if !slices.Contains(follow[t[:i]], r) {
				follow[t[:i]] = append(follow[t[:i]], r)
			}
		}
	}
	return explore(w, at{}, func(s at, x *explorer[at]) bool {
		if s.off {
			x.edge(anyRune, s)
			return true
		}
		var on []runeRange
		for _, r := range follow[s.prefix] {
			x.edge(runeSet{{r, r}}, at{prefix: s.prefix + string(r)})
			on = append(on, runeRange{r, r})
		}
		x.edge(setOf(on...).negate(), at{off: true})
		return !known[s.prefix]
	})
}

// plain returns the texts of m as they are.
func (m *machine) plain(j *jsonRules) expr { return m.spell(j, j.class) }

// quoted returns the texts of m as they stand in a JSON string. Only what a
// string cannot hold as it is gets escaped, in the shortest way, so that each
// text has one spelling.
func (m *machine) quoted(j *jsonRules) expr {
	return m.spell(j, func(on runeSet) expr {
		choices := alt{j.class(on.intersect(unescaped))}
		for _, r := range on.intersect(unescaped.negate()) {
			for c := r.lo; c <= r.hi; c++ {
				choices = append(choices, lit(escaped(c)))
			}
		}
		return choices
	})
}

// manyRanges is where a class, such as that of all letters, becomes a rule, so
// that it is spelled out once.
const manyRanges = 16

func (j *jsonRules) class(set runeSet) expr {
	if len(set) <= manyRanges {
		return class(set)
	}
	return j.once(fmt.Sprint(set), func() expr { return class(set) })
}

func (m *machine) spell(j *jsonRules, one func(on runeSet) expr) expr {
	g := &graph{nodes: len(m.states) + 1, twins: m.twins(&j.twins)}
	for i, s := range m.states {
		if s.accept {
			g.edge(i, len(m.states))
		}
		for _, e := range s.edges {
			g.edge(i, e.to, one(e.on))
		}
	}
	return g
}

// escapes are the characters that have a short escape in JSON, and its letter.
var escapes = map[rune]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}

// escaped is how a character that a JSON string cannot hold is written.
func escaped(c rune) string {
	if letter, ok := escapes[c]; ok {
		return `\` + string(rune(letter))
	}
	const hex = "0123456789abcdef"
	return `\u00` + hex[c>>4:c>>4+1] + hex[c&15:c&15+1]
}
