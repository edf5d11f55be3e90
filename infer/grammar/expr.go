package grammar

import "fmt"

// expr is what a rule derives. It is one of the types below.
type expr any

type (
	lit   string  // these bytes
	class runeSet // one character of the set, in UTF-8
	seq   []expr  // one after the other; nothing when empty
	alt   []expr  // one of them; impossible when empty
	ref   int     // what that rule derives

	// repeat is e at least min and at most max times; without a limit when
	// max is negative.
	repeat struct {
		e        expr
		min, max int
	}

	// graph is a way from node 0 to the last node. An edge without an
	// expression derives nothing.
	graph struct {
		nodes int
		edges []graphEdge
		twins [tries][]int32 // by trie and node, see machine.twins; may be nil
	}
	graphEdge struct {
		from, to int
		e        expr
	}
)

func (g *graph) edge(from, to int, parts ...expr) {
	g.edges = append(g.edges, graphEdge{from, to, seq(parts)})
}

func optional(e ...expr) expr { return repeat{seq(e), 0, 1} }

// impossible derives nothing, not even the empty text.
var impossible = alt{}

// rules collects what a source says. The first rule is the root.
type rules struct {
	names  []string // for errors
	bodies []expr   // nil until defined
}

// declare adds a rule without a body.
func (r *rules) declare(name string) ref {
	r.names = append(r.names, name)
	r.bodies = append(r.bodies, nil)
	return ref(len(r.names) - 1)
}

func (r *rules) define(rule ref, body expr) { r.bodies[rule] = body }

// add adds a rule with its body.
func (r *rules) add(name string, body expr) ref {
	rule := r.declare(name)
	r.define(rule, body)
	return rule
}

// sizeError says that a source asks for more than the limits allow.
func sizeError(what string, limit int) error {
	return fmt.Errorf("too large: more than %d %s", limit, what)
}
