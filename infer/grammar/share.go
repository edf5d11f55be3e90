package grammar

import (
	"encoding/binary"
	"sync"
)

// sharedMasks keeps the masks of locals whose rule calls no others, such as
// JSON's strings, for all automata of a vocabulary.
type sharedMasks struct {
	mu    sync.Mutex
	known map[string]*localMask
	bytes int // that they take
}

// maxShared bounds the bytes of the masks kept.
const maxShared = 32 << 20

func (s *sharedMasks) get(key string) *localMask {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[key]
}

func (s *sharedMasks) put(key string, m *localMask, size int) {
	if key == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes += size + len(key); s.known == nil || s.bytes > maxShared {
		s.known, s.bytes = make(map[string]*localMask), size+len(key)
	}
	s.known[key] = m
}

// maxSharedStates bounds the rules whose masks are shared.
const maxSharedStates = 256

// shareKey identifies a mask of l by all that it depends on, or is "" where it
// is not shared.
func (a *Automaton) shareKey(trie int, l *local) string {
	g := a.grammar
	// What can be reached, numbered in the order of its discovery.
	number := make(map[int32]uint64)
	var order []int32
	add := func(q int32) uint64 {
		n, ok := number[q]
		if !ok {
			n = uint64(len(order))
			number[q] = n
			order = append(order, q)
		}
		return n
	}
	for _, q := range l.states {
		add(q)
	}
	key := binary.AppendUvarint([]byte{byte(trie)}, uint64(len(order)))
	for i := 0; i < len(order); i++ {
		s := &g.states[order[i]]
		if len(s.calls) > 0 || len(order) > maxSharedStates {
			return ""
		}
		// The accepting state is known by having no edges: others would be dead.
		key = binary.AppendUvarint(key, uint64(len(s.bytes)))
		for _, e := range s.bytes {
			key = binary.AppendUvarint(append(key, e.lo, e.hi), add(e.to))
		}
		key = binary.AppendUvarint(key, uint64(len(s.empty)))
		for _, to := range s.empty {
			key = binary.AppendUvarint(key, add(to))
		}
	}
	return string(key)
}
