package grammar

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// markLive finds the states from which their rule's accepting state can be
// reached, through calls of rules for which that holds of their first state. A
// text that is led through these alone can always be completed.
func (g *Grammar) markLive() {
	// The states that become live when another does, or a rule's first one.
	before := make([][]int32, len(g.states))
	type caller struct{ from, to int32 }
	callers := make([][]caller, len(g.start))
	for q := range g.states {
		s := &g.states[q]
		for _, e := range s.bytes {
			before[e.to] = append(before[e.to], int32(q))
		}
		for _, to := range s.empty {
			before[to] = append(before[to], int32(q))
		}
		for _, c := range s.calls {
			callers[c.rule] = append(callers[c.rule], caller{int32(q), c.to})
		}
	}
	var queue []int32
	mark := func(q int32) {
		if !g.states[q].live {
			g.states[q].live = true
			queue = append(queue, q)
		}
	}
	productive := func(rule int32) bool { return g.states[g.start[rule]].live }
	callsTo := make([][]caller, len(g.states)) // by the state after the call
	rulesOf := make(map[caller][]int32)
	for rule, list := range callers {
		for _, c := range list {
			callsTo[c.to] = append(callsTo[c.to], c)
			rulesOf[c] = append(rulesOf[c], int32(rule))
		}
	}
	for _, q := range g.accept {
		mark(q)
	}
	for len(queue) > 0 {
		q := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, p := range before[q] {
			mark(p)
		}
		for _, c := range callsTo[q] {
			for _, rule := range rulesOf[c] {
				if productive(rule) {
					mark(c.from)
				}
			}
		}
		if rule := g.states[q].rule; g.start[rule] == q {
			for _, c := range callers[rule] {
				if g.states[c.to].live {
					mark(c.from)
				}
			}
		}
	}
}

// prune takes away the edges that do not lead to live states.
func (g *Grammar) prune() {
	for q := range g.states {
		s := &g.states[q]
		isDead := func(to int32) bool { return !g.states[to].live }
		s.bytes = slices.DeleteFunc(s.bytes, func(e byteEdge) bool { return isDead(e.to) })
		s.empty = slices.DeleteFunc(s.empty, isDead)
		s.calls = slices.DeleteFunc(s.calls, func(c callEdge) bool { return isDead(c.to) || isDead(g.start[c.rule]) })
	}
}

// empty tells whether the language has no text at all.
func (g *Grammar) empty() bool { return !g.states[g.start[0]].live }

// checkLeftRecursion refuses rules that can call themselves before a byte:
// they could be read in endlessly many ways.
func (g *Grammar) checkLeftRecursion() error {
	nullable := g.nullable()
	for i := range g.chains {
		// A body that may be empty does not count by bytes.
		if c := &g.chains[i]; c.body >= 0 && nullable[c.body] {
			c.body = noBody
		}
	}
	first := make([][]int32, len(g.start)) // rules that a rule may begin with
	for rule := range first {
		seen := make(map[int32]bool)
		var visit func(q int32)
		visit = func(q int32) {
			if seen[q] {
				return
			}
			seen[q] = true
			for _, to := range g.states[q].empty {
				visit(to)
			}
			for _, c := range g.states[q].calls {
				first[rule] = append(first[rule], c.rule)
				if nullable[c.rule] {
					visit(c.to)
				}
			}
		}
		visit(g.start[rule])
	}
	const unknown, open, done = 0, 1, 2
	mark := make([]int, len(first))
	var path []int32
	var visit func(rule int32) error
	visit = func(rule int32) error {
		mark[rule] = open
		path = append(path, rule)
		for _, next := range first[rule] {
			switch mark[next] {
			case open:
				var names []string
				for i := len(path) - 1; ; i-- {
					names = append([]string{g.names[path[i]]}, names...)
					if path[i] == next {
						break
					}
				}
				return &recursionError{int(next), append(names, g.names[next])}
			case unknown:
				if err := visit(next); err != nil {
					return err
				}
			}
		}
		path = path[:len(path)-1]
		mark[rule] = done
		return nil
	}
	for rule := range first {
		if mark[rule] == unknown {
			if err := visit(int32(rule)); err != nil {
				return err
			}
		}
	}
	return nil
}

// recursionError is a rule that can call itself before a byte.
type recursionError struct {
	rule int
	path []string
}

func (e *recursionError) Error() string {
	return fmt.Sprintf("left recursion: %s", strings.Join(e.path, " -> "))
}

// nullable finds the rules that derive the empty text.
func (g *Grammar) nullable() []bool {
	is := make([]bool, len(g.start))
	reached := make([]bool, len(g.states)) // from its rule's first state, without a byte
	waiting := make([][]int32, len(g.start))
	queue := slices.Clone(g.start)
	for len(queue) > 0 {
		q := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if reached[q] {
			continue
		}
		reached[q] = true
		s := &g.states[q]
		queue = append(queue, s.empty...)
		for _, c := range s.calls {
			if is[c.rule] {
				queue = append(queue, c.to)
			} else {
				waiting[c.rule] = append(waiting[c.rule], c.to)
			}
		}
		if q == g.accept[s.rule] && !is[s.rule] {
			is[s.rule] = true
			queue = append(queue, waiting[s.rule]...)
		}
	}
	return is
}

// classify finds which bytes the edges tell apart.
func (g *Grammar) classify() {
	ranges := make(map[byteRange]bool)
	for i := range g.states {
		for _, e := range g.states[i].bytes {
			ranges[e.byteRange] = true
		}
	}
	// Each range splits the classes that it cuts.
	g.classes = 1
	byBounds := func(a, b byteRange) int { return cmp.Or(cmp.Compare(a.lo, b.lo), cmp.Compare(a.hi, b.hi)) }
	for _, r := range slices.SortedFunc(maps.Keys(ranges), byBounds) {
		inside := make(map[uint8]int)
		size := make(map[uint8]int)
		for b := range 256 {
			c := g.classOf[b]
			size[c]++
			if byte(b) >= r.lo && byte(b) <= r.hi {
				inside[c]++
			}
		}
		for c, n := range inside {
			if n == size[c] {
				continue
			}
			for b := int(r.lo); b <= int(r.hi); b++ {
				if g.classOf[b] == c {
					g.classOf[b] = uint8(g.classes)
				}
			}
			g.classes++
		}
	}
	g.byteOf, g.single = make([]byte, g.classes), make([]bool, g.classes)
	count := make([]int, g.classes)
	for b := 255; b >= 0; b-- {
		c := g.classOf[b]
		g.byteOf[c] = byte(b)
		count[c]++
	}
	for c, n := range count {
		g.single[c] = n == 1
	}
}
