package grammar

// Grammar is a language of texts: rules, each with a finite automaton over
// bytes and calls of rules. It is immutable.
type Grammar struct {
	names         []string
	start, accept []int32 // by rule: its states
	states        []state
	classOf       [256]uint8 // bytes that no edge tells apart have one class
	classes       int
	byteOf        []byte // by class: the lowest byte of it
	single        []bool // by class: it has one byte
	chains        []chain
	twins         map[int32][tries]int32 // of states of machines: others that stand for them, see far.go
}

// state is a state of a rule's automaton.
type state struct {
	rule  int32
	bytes []byteEdge
	calls []callEdge
	empty []int32 // states that are reached without a byte
	live  bool    // the rule's accepting state can be reached
	chain int32   // 1 and more: the number of its chain
}

// chain is the states of a counted repetition, one after the other: state
// first+n is where the body has been written n times.
type chain struct {
	first    int32
	min, max int   // max is negative without a limit
	body     int32 // the rule of the body, or -1 when it is one byte
}

type byteEdge struct {
	byteRange
	to int32
}

// callEdge is a call of a rule, after which the text goes on at to.
type callEdge struct{ rule, to int32 }

// compile makes the automata of r, whose first rule is the root.
func compile(r *rules) (*Grammar, error) {
	b := &builder{rules: r, tails: make(map[tail]int32), g: &Grammar{twins: make(map[int32][tries]int32)}}
	// Bodies may add rules: those of repetitions.
	for rule := 0; rule < len(r.bodies); rule++ {
		if rule >= maxRules {
			return nil, sizeError("rules", maxRules)
		}
		b.rule = int32(rule)
		start, accept := b.state(), b.state()
		b.g.start, b.g.accept = append(b.g.start, start), append(b.g.accept, accept)
		b.build(r.bodies[rule], start, accept)
		if b.full() {
			return nil, sizeError("states", maxStates)
		}
	}
	b.g.names = r.names
	if err := b.g.checkLeftRecursion(); err != nil {
		return nil, err
	}
	b.g.markLive()
	b.g.prune()
	b.g.classify()
	return b.g, nil
}

// builder turns expressions into states and edges.
type builder struct {
	rules *rules
	g     *Grammar
	rule  int32 // whose body is built
	tails map[tail]int32
}

// tail is a number of any continuation bytes before a state.
type tail struct {
	to int32
	n  int
}

func (b *builder) full() bool { return len(b.g.states) > maxStates }

func (b *builder) state() int32 {
	b.g.states = append(b.g.states, state{rule: b.rule})
	return int32(len(b.g.states) - 1)
}

func (b *builder) byte(from int32, r byteRange, to int32) {
	b.g.states[from].bytes = append(b.g.states[from].bytes, byteEdge{r, to})
}

func (b *builder) empty(from, to int32) {
	b.g.states[from].empty = append(b.g.states[from].empty, to)
}

// build adds what derives e between two states. It adds no edge into from and
// none out of to, so that fragments can share both.
func (b *builder) build(e expr, from, to int32) {
	if b.full() {
		return
	}
	switch e := e.(type) {
	case lit:
		b.lit(string(e), from, to)
	case class:
		b.class(runeSet(e), from, to)
	case ref:
		b.g.states[from].calls = append(b.g.states[from].calls, callEdge{int32(e), to})
	case alt:
		for _, choice := range e {
			b.build(choice, from, to)
		}
	case seq:
		if len(e) == 0 {
			b.empty(from, to)
			return
		}
		for _, part := range e[:len(e)-1] {
			next := b.state()
			b.build(part, from, next)
			from = next
		}
		b.build(e[len(e)-1], from, to)
	case repeat:
		b.repeat(e, from, to)
	case *graph:
		b.graph(e, from, to)
	default:
		panic("an expression of no known type")
	}
}

func (b *builder) graph(g *graph, from, to int32) {
	at := make([]int32, g.nodes)
	for i := range at {
		if at[i] = b.state(); b.full() {
			return
		}
	}
	b.twins(g, at)
	b.empty(from, at[0])
	for _, e := range g.edges {
		b.build(e.e, at[e.from], at[e.to])
	}
	b.empty(at[len(at)-1], to)
}

// twins notes the twins of nodes, which are the states at.
func (b *builder) twins(g *graph, at []int32) {
	for i, q := range at[:len(at)-1] {
		all := [tries]int32{q, q, q}
		for trie, twins := range g.twins {
			if twins != nil {
				all[trie] = at[twins[i]]
			}
		}
		if all != [tries]int32{q, q, q} {
			b.g.twins[q] = all
		}
	}
}

func (b *builder) lit(text string, from, to int32) {
	if text == "" {
		b.empty(from, to)
		return
	}
	for i := range len(text) - 1 {
		next := b.state()
		b.byte(from, byteRange{text[i], text[i]}, next)
		from = next
	}
	last := text[len(text)-1]
	b.byte(from, byteRange{last, last}, to)
}

func (b *builder) class(set runeSet, from, to int32) {
	set.encodings(func(seq []byteRange) {
		at := from
		for i, r := range seq {
			rest := seq[i+1:]
			if allContinue(rest) {
				b.byte(at, r, b.continued(len(rest), to))
				return
			}
			next := b.state()
			b.byte(at, r, next)
			at = next
		}
	})
}

func allContinue(seq []byteRange) bool {
	for _, r := range seq {
		if r != continuation {
			return false
		}
	}
	return true
}

// continued returns a state from which n continuation bytes lead to a state.
// All classes before that state share it.
func (b *builder) continued(n int, to int32) int32 {
	if n == 0 {
		return to
	}
	at, ok := b.tails[tail{to, n}]
	if !ok {
		at = b.state()
		b.byte(at, continuation, b.continued(n-1, to))
		b.tails[tail{to, n}] = at
	}
	return at
}

// repeat spells out counted repetitions. A body of more than a few edges
// becomes a rule of its own first, so that counts within counts add up and do
// not multiply.
func (b *builder) repeat(r repeat, from, to int32) {
	copies := max(r.min, r.max)
	if copies > 1 && !small(r.e) {
		name := b.rules.names[b.rule]
		r.e = b.rules.add(name, r.e)
	}
	number := int32(0)
	if body := chainBody(r.e); copies > longest[0] && body != noBody {
		first := b.state()
		b.empty(from, first)
		from = first
		b.g.chains = append(b.g.chains, chain{first, r.min, r.max, body})
		number = int32(len(b.g.chains))
		b.g.states[first].chain = number
	}
	for i := range copies {
		if b.full() {
			return
		}
		if i >= r.min {
			b.empty(from, to)
		}
		next := b.state()
		b.g.states[next].chain = number
		b.build(r.e, from, next)
		from = next
	}
	if r.max >= 0 {
		b.empty(from, to)
		return
	}
	loop := b.state()
	b.empty(from, loop)
	// A body may not have edges into its first state or out of its last.
	first, last := b.state(), b.state()
	b.empty(loop, first)
	b.build(r.e, first, last)
	b.empty(last, loop)
	b.empty(loop, to)
}

const (
	noBody  int32 = -2
	oneByte int32 = -1
)

// chainBody returns the rule of a repetition's body, or oneByte; noBody where
// it is neither.
func chainBody(e expr) int32 {
	switch e := e.(type) {
	case ref:
		return int32(e)
	case lit:
		if len(e) == 1 {
			return oneByte
		}
	case class:
		return oneByte
	case seq:
		if len(e) == 1 {
			return chainBody(e[0])
		}
	}
	return noBody
}

// small tells whether copies of e are no larger than calls.
func small(e expr) bool {
	switch e := e.(type) {
	case ref:
		return true
	case lit:
		return len(e) <= 1
	case class:
		return len(e) > 0 && e[len(e)-1].hi < 0x80
	case seq:
		return len(e) == 0 || len(e) == 1 && small(e[0])
	}
	return false
}
