package grammar

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTwinsAllowTheSame follows texts of patterns with counts, and compares each
// mask with that of the same grammar in which no state stands for another.
func TestTwinsAllowTheSame(t *testing.T) {
	v := largeVocabulary(t)
	r := rand.New(rand.NewPCG(3, 4))
	for _, fields := range []string{
		`"pattern": "^[A-Za-z ]{300}$"`,
		`"pattern": "^[A-Z]{3}-[0-9]{4}$"`,
		`"pattern": "^(ab|cd|[e-z] ){10,40}!?$"`,
		`"pattern": "^.{0,150}end$", "maxLength": 160`,
		`"pattern": "(red|blue).{20,}", "minLength": 40`,
		`"pattern": "^(?=.*[0-9])[a-z0-9]{8,40}$"`,
		`"pattern": "^(?!the )[a-zé山\"\\n ]{5,90}$"`,
		`"pattern": "^[01]{20}([a-z]{20})?x$"`,
		`"pattern": "urgent", "maxLength": 60`,
	} {
		compiled := func() *Grammar {
			g, err := JSONSchema([]byte(`{"type": "string", `+fields+`}`), Compact)
			require.NoError(t, err, fields)
			return g
		}
		other := compiled()
		other.twins = nil
		a, b := NewAutomaton(compiled(), v), NewAutomaton(other, v)
		for range 4 {
			m, n := a.NewMatcher(), b.NewMatcher()
			got, want := make([]uint64, m.Words()), make([]uint64, m.Words())
			for step := 0; step < 60 && !n.Done(); step++ {
				m.Mask(got)
				n.Mask(want)
				require.Equal(t, want, got, "%s, step %d", fields, step)
				id := r.IntN(v.size)
				for want[id/64]>>(id%64)&1 == 0 {
					id = (id + 1) % v.size
				}
				require.NoError(t, m.Accept(id))
				require.NoError(t, n.Accept(id))
			}
		}
	}
}

// TestCountsOfPatternsHaveFewMasks: far from its end each count allows the same.
func TestCountsOfPatternsHaveFewMasks(t *testing.T) {
	v := largeVocabulary(t)
	g, err := JSONSchema([]byte(`{"type": "string", "pattern": "^[A-Za-z ]{900}$"}`), Compact)
	require.NoError(t, err)
	a := NewAutomaton(g, v)
	m := a.NewMatcher()
	bits := make([]uint64, m.Words())
	masks := func() (n int) {
		for _, l := range a.locals {
			for _, known := range l.masks {
				if known != nil {
					n++
				}
			}
		}
		return n
	}
	m.Mask(bits)
	m.Accept(int(v.bytes['"']))
	m.Mask(bits)
	before := masks()
	for range 600 {
		require.NoError(t, m.Accept(int(v.bytes['a'])))
		m.Mask(bits)
	}
	require.LessOrEqual(t, masks(), before+tries)
}

// TestTwinsOfMachines compares with the texts that states accept.
func TestTwinsOfMachines(t *testing.T) {
	m, err := patternMachine(newEffort(), "^a{40}$")
	require.NoError(t, err)
	left := maxTwins
	twins := m.twins(&left)
	require.Less(t, maxTwins-left, 1000, "a state is looked at again only where something has changed")
	for trie, span := range spans[:2] {
		first := make(map[int32]int)
		for q := range m.states {
			first[twins[trie][q]]++
		}
		// The end and each of the last counts alone, the others together, and what cannot
		// accept.
		require.Len(t, first, span+3, twins[trie])
	}
}
