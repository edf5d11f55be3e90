package grammar

import (
	"encoding/binary"
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
//
// States are sorted into classes, at first by whether they accept. In each round the
// states of a class part that lead to different classes, so that after n rounds
// classes are of states that cannot be told apart by n characters. A state is looked
// at again only when one that it leads to has changed its class.
func (m *machine) twins(left *int) (twins [tries][]int32) {
	live, before := m.live()
	class := make([]int32, len(m.states))
	size := make(map[int32]int)
	dirty := make([]int32, 0, len(m.states))
	for q, s := range m.states {
		if live[q] {
			dirty = append(dirty, int32(q))
			class[q] = 1
			if s.accept {
				class[q] = 2
			}
		}
		size[class[q]]++
	}
	classes := int32(3)
	sets := make(map[string]uint64)
	round := 0
	for trie, span := range spans {
		for ; round < span && len(dirty) > 0; round++ {
			type group struct {
				class  int32
				states []int32
			}
			groups := make(map[string]*group)
			var order []*group // as they are found, so that equal machines have equal twins
			seen := make(map[int32]int)
			for _, q := range dirty {
				var edges []string
				*left--
				for _, e := range m.states[q].edges {
					if *left--; live[e.to] {
						edges = append(edges, string(binary.AppendUvarint(binary.AppendUvarint(nil, number(sets, e.on)), uint64(class[e.to]))))
					}
				}
				if *left < 0 {
					return twins
				}
				slices.Sort(edges)
				key := binary.AppendUvarint(nil, uint64(class[q]))
				for _, e := range slices.Compact(edges) {
					key = append(key, e...)
				}
				g := groups[string(key)]
				if g == nil {
					g = &group{class: class[q]}
					groups[string(key)] = g
					order = append(order, g)
				}
				g.states = append(g.states, q)
				seen[class[q]]++
			}
			whole := make(map[int32]bool) // all of the class were looked at
			for c, n := range seen {
				whole[c] = n == size[c]
			}
			changed := make(map[int32]bool)
			kept := make(map[int32]bool)
			for _, g := range order {
				// Where all of a class were looked at, one group may keep its name. The others
				// of a class lead to where no change has been, and so differ from these.
				if whole[g.class] && !kept[g.class] {
					kept[g.class] = true
					continue
				}
				size[g.class] -= len(g.states)
				size[classes] = len(g.states)
				for _, q := range g.states {
					class[q] = classes
					for _, p := range before[q] {
						changed[p] = true
					}
				}
				classes++
			}
			dirty = dirty[:0]
			for q := range changed {
				dirty = append(dirty, q)
			}
			slices.Sort(dirty)
		}
		twins[trie] = firsts(class)
	}
	return twins
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
