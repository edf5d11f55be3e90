package grammar

// distance is the least number of bytes that complete the text up to s, as far
// as it is below 1<<20. It is an upper bound where frames share a stack.
func distance(a *Automaton, s State) int { return stackDistance(a, s.open, map[*stack]int{}) }

const farAway = 1 << 20

func stackDistance(a *Automaton, s *stack, known map[*stack]int) int {
	if s.end {
		return 0
	}
	if d, ok := known[s]; ok {
		return d
	}
	least := farAway
	for _, f := range s.frames {
		d := farAway
		for _, q := range f.at.states {
			d = min(d, stateDistances(a.grammar)[q])
		}
		least = min(least, d+stackDistance(a, f.under, known))
	}
	known[s] = least
	return least
}

var distances = map[*Grammar][]int{}

// stateDistances is, by state, the least number of bytes to the end of its rule.
func stateDistances(g *Grammar) []int {
	if d, ok := distances[g]; ok {
		return d
	}
	d := make([]int, len(g.states))
	for q := range d {
		d[q] = farAway
	}
	for _, q := range g.accept {
		d[q] = 0
	}
	for changed := true; changed; {
		changed = false
		for q := len(d) - 1; q >= 0; q-- {
			best := d[q]
			for _, e := range g.states[q].bytes {
				best = min(best, 1+d[e.to])
			}
			for _, to := range g.states[q].empty {
				best = min(best, d[to])
			}
			for _, c := range g.states[q].calls {
				best = min(best, d[g.start[c.rule]]+d[c.to])
			}
			if best < d[q] {
				d[q], changed = best, true
			}
		}
	}
	distances[g] = d
	return d
}
