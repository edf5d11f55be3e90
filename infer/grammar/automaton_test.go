package grammar

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestForgetting follows texts with an automaton that forgets at every step,
// beside one that does not.
func TestForgetting(t *testing.T) {
	v := smallVocabulary(t)
	for _, c := range []string{schemaCases[len(schemaCases)-3].schema, `{}`, `{"type":"array","items":{"type":"string","maxLength":40}}`} {
		g, err := JSONSchema([]byte(c), Flexible)
		require.NoError(t, err)
		a, forgetful := NewAutomaton(g, v), NewAutomaton(g, v)
		forgetful.budget = 0
		for seed := range uint64(5) {
			other := forgetful.NewMatcher()
			bits := make([]uint64, other.Words())
			generateWith(t, a, rand.New(rand.NewPCG(seed, 7)), 20, func(_ State, ids []int) {
				other.Mask(bits)
				require.Equal(t, ids, listOf(bits))
			}, func(id int) { require.NoError(t, other.Accept(id)) })
		}
		require.Greater(t, forgetful.generation, 50)
	}
}

// TestConcurrentTexts runs several texts on one automaton, which forgets often.
func TestConcurrentTexts(t *testing.T) {
	a := NewAutomaton(JSONObject(Flexible), smallVocabulary(t))
	a.budget = 1 << 18
	var wg sync.WaitGroup
	texts := make([]string, 6)
	for i := range texts {
		wg.Go(func() { texts[i] = generate(t, a, rand.New(rand.NewPCG(uint64(i/2), 8)), 60, nil) })
	}
	wg.Wait()
	for i := 0; i < len(texts); i += 2 {
		require.Equal(t, texts[i], texts[i+1], "equal seeds give equal texts whatever runs beside them")
	}
}

// TestSharedMasks compares the masks of automata that use those of others with
// those of automata that do not.
func TestSharedMasks(t *testing.T) {
	v := vocabularyOf(t, smallTokenizer())
	for range 2 {
		for _, c := range schemaCases {
			g, err := JSONSchema([]byte(c.schema), Compact)
			require.NoError(t, err)
			a := NewAutomaton(g, v)
			generate(t, a, rand.New(rand.NewPCG(1, 9)), 8, func(s State, _ []int) { requireMask(t, a, s) })
		}
	}
	require.NotEmpty(t, v.shared.known)
}

// TestFarCounts compares masks at all counts of repetitions that are longer than
// tokens, and checks that most counts have one mask.
func TestFarCounts(t *testing.T) {
	for source, part := range map[string]string{
		`root ::= "<" [a-z ]{30,90} ">" [0-9]*`:                        "abcde fg",
		`root ::= "<" pair{25,} ">"` + "\n" + `pair ::= [a-z ] [a-zé]`: "abcdef",
		`root ::= "<" maybe{40,80} ">"` + "\n" + `maybe ::= [a-z]?`:    "abcdef",
		`root ::= ("<" | "<a") [a-z ]{20,60} (">" | "a>")`:             "aaaa bcd",
	} {
		g, err := GBNF(source)
		require.NoError(t, err)
		a := NewAutomaton(g, smallVocabulary(t))
		masks := make(map[*stack]bool)
		text := "<"
		for len(text) < 88 {
			s, n := a.AdvanceBytes(a.Start(), text)
			if n < len(text) {
				break
			}
			requireMask(t, a, s)
			masks[a.far(s.open, 0)] = true
			text += string(part[len(text)%len(part)])
		}
		require.Greater(t, len(text), 40, source)
		if source[9] == '"' && source[13] == '[' {
			require.Less(t, len(masks), len(text)-25, "%s: far counts must share masks", source)
		}
	}
}
