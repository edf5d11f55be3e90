package grammar

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
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

// TestMemory compares what an automaton says that it takes with the heap.
func TestMemory(t *testing.T) {
	v := smallVocabulary(t)
	heap := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := heap()
	g, err := JSONSchema([]byte(benchCases[1].schema), Compact)
	require.NoError(t, err)
	a := NewAutomaton(g, v)
	for seed := range uint64(20) {
		generate(t, a, rand.New(rand.NewPCG(seed, 11)), 60, nil)
	}
	delete(distances, g)
	took := heap() - before
	require.Greater(t, 2*a.Memory(), took)
	require.Less(t, a.Memory(), 2*took)
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
	for _, last := range "dkfz" {
		g, err := GBNF(fmt.Sprintf("root ::= [a-%c]+ \".\"", last))
		require.NoError(t, err)
		a := NewAutomaton(g, v)
		requireMask(t, a, a.Start())
	}
}

// TestBoundsOfCounts has tokens that reach just up to and beyond the bounds of a
// repetition, of all lengths.
func TestBoundsOfCounts(t *testing.T) {
	texts := []string{}
	for b := range 256 {
		texts = append(texts, string([]byte{byte(b)}))
	}
	for n := range 40 {
		texts = append(texts, strings.Repeat("a", n)+">", strings.Repeat("a", n+2), strings.Repeat("a", n)+">0")
	}
	v, err := NewVocabulary(len(texts), func(id int) string { return texts[id] })
	require.NoError(t, err)
	for _, source := range []string{`root ::= a{60,130} ">" [0-9]*` + "\na ::= [a-z]", `root ::= [a-z]{50,} ">"`, `root ::= [a-z]{0,70} ">0"`} {
		g, err := GBNF(source)
		require.NoError(t, err)
		a := NewAutomaton(g, v)
		s := a.Start()
		for n := 0; n < 135; n++ {
			requireMask(t, a, s)
			next, taken := a.AdvanceBytes(s, "a")
			if taken == 0 {
				break
			}
			s = next
		}
	}
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
