package grammar

// machine is a finite automaton over characters as an expression. Its first
// state is 0.
type machine struct {
	states []machineState
	// quoted spells the characters as they stand in a JSON string.
	quoted bool
}

type machineState struct {
	accept bool
	edges  []machineEdge
}

type machineEdge struct {
	on runeSet
	to int
}

// escapes are the characters that have a short escape in JSON, and its letter.
var escapes = map[rune]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}

// machine adds the states and edges of m. Only what a JSON string cannot hold
// as it is gets escaped, in the shortest way, so that each text has one
// spelling.
func (b *builder) machine(m *machine, from, to int32) {
	at := make([]int32, len(m.states))
	for i := range at {
		if at[i] = b.state(); b.full() {
			return
		}
	}
	b.empty(from, at[0])
	for i, s := range m.states {
		if s.accept {
			b.empty(at[i], to)
		}
		for _, e := range s.edges {
			if b.full() {
				return
			}
			if !m.quoted {
				b.class(e.on, at[i], at[e.to])
				continue
			}
			b.class(e.on.intersect(unescaped), at[i], at[e.to])
			for _, r := range e.on.intersect(unescaped.negate()) {
				for c := r.lo; c <= r.hi; c++ {
					b.lit(escaped(c), at[i], at[e.to])
				}
			}
		}
	}
}

// escaped is how a character that a JSON string cannot hold is written.
func escaped(c rune) string {
	if letter, ok := escapes[c]; ok {
		return `\` + string(letter)
	}
	const hex = "0123456789abcdef"
	return `\u00` + string(hex[c>>4]) + string(hex[c&15])
}
