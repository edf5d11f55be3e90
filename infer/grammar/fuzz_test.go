package grammar

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzSchema(f *testing.F) {
	for _, c := range schemaCases {
		f.Add(c.schema, uint64(1))
	}
	f.Fuzz(func(t *testing.T, source string, seed uint64) {
		g, err := JSONSchema([]byte(source), Whitespace(seed%2))
		if err != nil {
			return
		}
		fuzzMasks(t, g, seed)
	})
}

func FuzzGBNF(f *testing.F) {
	for _, c := range gbnfCases {
		f.Add(c.source, uint64(1))
	}
	f.Fuzz(func(t *testing.T, source string, seed uint64) {
		g, err := GBNF(source)
		if err != nil {
			return
		}
		fuzzMasks(t, g, seed)
	})
}

// fuzzMasks follows a random text, and compares masks with the slow ones.
func fuzzMasks(t *testing.T, g *Grammar, seed uint64) {
	a := NewAutomaton(g, smallVocabulary(t))
	m := a.NewMatcher()
	rng := rand.New(rand.NewPCG(seed, 6))
	bits := make([]uint64, m.Words())
	for n := 0; n < 12 && !m.Done(); n++ {
		m.Mask(bits)
		ids := listOf(bits)
		if len(ids) == 0 {
			require.True(t, m.Complete())
			return
		}
		if n%4 == 0 && a.work < 1<<16 {
			requireMask(t, a, m.at)
		}
		if err := m.Accept(ids[rng.IntN(len(ids))]); errors.Is(err, ErrComplex) {
			return
		} else if err != nil {
			require.NoError(t, err)
		}
	}
}
