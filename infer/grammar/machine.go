package grammar

import (
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

// explore makes the machine of all that can be reached from a first state. next
// tells whether a state accepts, and calls edge for each of its edges.
func explore[S comparable](first S, next func(s S, edge func(on runeSet, to S)) (accept bool)) (*machine, error) {
	m := &machine{}
	number := make(map[S]int)
	var found []S
	add := func(s S) int {
		i, ok := number[s]
		if !ok {
			i = len(found)
			number[s] = i
			found = append(found, s)
			m.states = append(m.states, machineState{})
		}
		return i
	}
	add(first)
	edges := 0
	for i := 0; i < len(found); i++ {
		var out []machineEdge
		accept := next(found[i], func(on runeSet, to S) {
			if len(on) > 0 && edges <= maxMachineEdges {
				edges++
				out = append(out, machineEdge{on, add(to)})
			}
		})
		m.states[i] = machineState{accept, out}
		if len(found) > maxMachine || edges > maxMachineEdges {
			return nil, errMachine
		}
	}
	return m, nil
}

// intersect returns the machine of the texts that both accept.
func (m *machine) intersect(other *machine) (*machine, error) {
	return explore([2]int{0, 0}, func(s [2]int, edge func(runeSet, [2]int)) bool {
		p, q := &m.states[s[0]], &other.states[s[1]]
		for _, e := range p.edges {
			for _, f := range q.edges {
				edge(e.on.intersect(f.on), [2]int{e.to, f.to})
			}
		}
		return p.accept && q.accept
	})
}

// complement returns the machine of the texts that m does not accept.
func (m *machine) complement() (*machine, error) {
	// A state is a set of m's, spelled out; the empty one accepts all.
	sets := map[string][]int{"": nil}
	spell := func(set []int) string {
		slices.Sort(set)
		set = slices.Compact(set)
		key := fmt.Sprint(set)
		if len(set) == 0 {
			key = ""
		}
		sets[key] = set
		return key
	}
	return explore(spell([]int{0}), func(s string, edge func(runeSet, string)) bool {
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
			edge(setOf(to[key]...).intersect(anyRune), key)
		}
		return accept
	})
}

// lengths returns the machine of texts of at least least and at most most
// characters; without an upper limit when most is negative.
func lengths(least, most int) (*machine, error) {
	return explore(0, func(n int, edge func(runeSet, int)) bool {
		switch {
		case n < max(least, most):
			edge(anyRune, n+1)
		case most < 0:
			edge(anyRune, n)
		}
		return n >= least
	})
}

// otherThan returns the machine of all texts but the given ones.
func otherThan(texts []string) (*machine, error) {
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
	return explore(at{}, func(s at, edge func(runeSet, at)) bool {
		if s.off {
			edge(anyRune, s)
			return true
		}
		var on []runeRange
		for _, r := range follow[s.prefix] {
			edge(runeSet{{r, r}}, at{prefix: s.prefix + string(r)})
			on = append(on, runeRange{r, r})
		}
		edge(setOf(on...).negate(), at{off: true})
		return !known[s.prefix]
	})
}

// plain returns the texts of m as they are.
func (m *machine) plain(j *jsonRules) expr { return m.spell(j.class) }

// quoted returns the texts of m as they stand in a JSON string. Only what a
// string cannot hold as it is gets escaped, in the shortest way, so that each
// text has one spelling.
func (m *machine) quoted(j *jsonRules) expr {
	return m.spell(func(on runeSet) expr {
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

func (m *machine) spell(one func(on runeSet) expr) expr {
	g := &graph{nodes: len(m.states) + 1}
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
