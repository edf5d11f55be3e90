package grammar

import (
	"encoding/binary"
	"maps"
	"slices"
)

// spans are how many characters the texts may have for which states of a machine are
// told apart, by trie: as many as its longest token has bytes, in vocabularies in use.
var spans = [tries]int{8, 16, 128}

// maxTwins bounds the edges that are looked at to find the twins of all machines of
// a schema.
const maxTwins = 1 << 20

// twins returns, by trie, for each state the first one that allows the same texts of
// at most as many characters as the span has: states of a long count do that, where
// they are far from its end. It is nil for a trie where no states do, or where to
// find them is too much work: left is how many edges may still be looked at.
func (m *machine) twins(left *int) (twins [tries][]int32) {
	p := newPartition(m)
	round := 0
	for trie, span := range spans {
		for ; round < span && len(p.dirty) > 0; round++ {
			groups, ok := p.groups(left)
			if !ok {
				return twins
			}
			p.split(groups)
		}
		twins[trie] = firsts(p.class)
	}
	return twins
}

// partition sorts the states of a machine into classes, at first by whether they
// accept. In each round the states of a class part that lead to different classes, so
// that after n rounds classes are of states that cannot be told apart by n characters.
// A state is looked at again only when one that it leads to has changed its class.
type partition struct {
	states  []machineState
	live    []bool    // whether a state can come to accept
	before  [][]int32 // which states lead to it
	class   []int32   // of each state; 0 for those that are not live
	size    map[int32]int
	classes int32             // how many there are
	sets    map[string]uint64 // see number
	dirty   []int32           // the states that are to be looked at, in order
}

// group is the dirty states of a class that lead to the same classes.
type group struct {
	class  int32
	states []int32
}

func newPartition(m *machine) *partition {
	p := &partition{states: m.states, class: make([]int32, len(m.states)), size: make(map[int32]int), classes: 3, sets: make(map[string]uint64)}
	p.live, p.before = m.live()
	for q, s := range m.states {
		if p.live[q] {
			p.dirty = append(p.dirty, int32(q))
			p.class[q] = 1
			if s.accept {
				p.class[q] = 2
			}
		}
		p.size[p.class[q]]++
	}
	return p
}

// groups returns the groups as they are found, so that equal machines have equal
// twins; false when that would be too much work.
func (p *partition) groups(left *int) ([]*group, bool) {
	found := make(map[string]*group)
	var order []*group
	for _, q := range p.dirty {
		if *left -= 1 + len(p.states[q].edges); *left < 0 {
			return nil, false
		}
		key := string(p.signature(q))
		g := found[key]
		if g == nil {
			g = &group{class: p.class[q]}
			found[key] = g
			order = append(order, g)
		}
		g.states = append(g.states, q)
	}
	return order, true
}

// signature is equal for states of one class that lead to the same classes by the
// same characters.
func (p *partition) signature(q int32) []byte {
	var edges []string
	for _, e := range p.states[q].edges {
		if p.live[e.to] {
			edges = append(edges, string(binary.AppendUvarint(binary.AppendUvarint(nil, number(p.sets, e.on)), uint64(p.class[e.to]))))
		}
	}
	slices.Sort(edges)
	key := binary.AppendUvarint(nil, uint64(p.class[q]))
	for _, e := range slices.Compact(edges) {
		key = append(key, e...)
	}
	return key
}

// split gives groups classes of their own. Where all of a class were looked at, one
// group keeps its name; else the class is left to its other states, which lead to where
// no change has been. Dirty is then what leads to states that have changed.
func (p *partition) split(groups []*group) {
	seen := make(map[int32]int)
	for _, g := range groups {
		seen[g.class] += len(g.states)
	}
	for class, n := range seen {
		if n < p.size[class] {
			delete(seen, class)
		}
	}
	changed := make(map[int32]bool)
	for _, g := range groups {
		if _, whole := seen[g.class]; whole {
			delete(seen, g.class)
			continue
		}
		p.size[g.class] -= len(g.states)
		p.size[p.classes] = len(g.states)
		for _, q := range g.states {
			p.class[q] = p.classes
			for _, b := range p.before[q] {
				changed[b] = true
			}
		}
		p.classes++
	}
	p.dirty = slices.Sorted(maps.Keys(changed))
}

// firsts returns the first state of each one's class; nil where all classes have one.
func firsts(class []int32) []int32 {
	first := make(map[int32]int32)
	all := make([]int32, len(class))
	for q, c := range class {
		if _, ok := first[c]; !ok {
			first[c] = int32(q)
		}
		all[q] = first[c]
	}
	if len(first) == len(class) {
		return nil
	}
	return all
}

// number returns the number of a set.
func number(sets map[string]uint64, on runeSet) uint64 {
	key := make([]byte, 0, 64)
	for _, r := range on {
		key = binary.AppendUvarint(binary.AppendUvarint(key, uint64(r.lo)), uint64(r.hi))
	}
	n, ok := sets[string(key)]
	if !ok {
		n = uint64(len(sets))
		sets[string(key)] = n
	}
	return n
}

// live tells of each state whether it can come to accept, and which lead to it.
func (m *machine) live() (live []bool, before [][]int32) {
	live, before = make([]bool, len(m.states)), make([][]int32, len(m.states))
	var queue []int32
	for q, s := range m.states {
		for _, e := range s.edges {
			before[e.to] = append(before[e.to], int32(q))
		}
		if s.accept {
			live[q] = true
			queue = append(queue, int32(q))
		}
	}
	for len(queue) > 0 {
		q := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, p := range before[q] {
			if !live[p] {
				live[p] = true
				queue = append(queue, p)
			}
		}
	}
	return live, before
}
