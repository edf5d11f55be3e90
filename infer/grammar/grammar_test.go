package grammar

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"expertfs/infer/tokenizer"

	"github.com/stretchr/testify/require"
)

// vocabularyOf returns the ordinary tokens of t.
func vocabularyOf(t testing.TB, tok *tokenizer.Tokenizer) *Vocabulary {
	v, err := NewVocabulary(tok.Size(), func(id int) string {
		text, _ := tok.Text(id)
		return text
	})
	require.NoError(t, err)
	return v
}

// small is the vocabulary of the tiny model, large that of GPT-OSS.
var (
	smallTokenizer = sync.OnceValue(func() *tokenizer.Tokenizer {
		tok, err := tokenizer.Load("../../checkpoint/tiny")
		if err != nil {
			panic(err)
		}
		return tok
	})
	smallOnce, largeOnce sync.Once
	smallV, largeV       *Vocabulary
)

func smallVocabulary(t testing.TB) *Vocabulary {
	smallOnce.Do(func() { smallV = vocabularyOf(t, smallTokenizer()) })
	return smallV
}

func largeVocabulary(t testing.TB) *Vocabulary {
	largeOnce.Do(func() { largeV = vocabularyOf(t, tokenizer.O200kHarmony()) })
	return largeV
}

// slowMask tries every token by itself.
func slowMask(a *Automaton, s State) []uint64 {
	bits := make([]uint64, a.vocab.Words())
	for id := range a.vocab.Size() {
		if _, err := a.Advance(s, id); err == nil {
			bits[id>>6] |= 1 << (id & 63)
		}
	}
	return bits
}

func listOf(bits []uint64) []int {
	var ids []int
	for i, w := range bits {
		for b := range 64 {
			if w>>b&1 != 0 {
				ids = append(ids, i*64+b)
			}
		}
	}
	return ids
}

// requireMask compares the mask of s with the slow one, and returns it.
func requireMask(t testing.TB, a *Automaton, s State) []int {
	fast := make([]uint64, a.vocab.Words())
	fast[0] = 0xdeadbeef // must not be left
	a.Mask(s, fast)
	slow := slowMask(a, s)
	for i := range fast {
		if fast[i] != slow[i] {
			for b := range 64 {
				if (fast[i]^slow[i])>>b&1 != 0 {
					require.Fail(t, "masks differ", "token %d %q: fast %v", i*64+b, a.vocab.texts[i*64+b], fast[i]>>b&1 != 0)
				}
			}
		}
	}
	return listOf(fast)
}

// generate lets rng choose among what masks allow, and after free tokens one
// of those that lead to the end soonest. check sees the state before each.
func generate(t testing.TB, a *Automaton, rng *rand.Rand, free int, check func(State, []int)) string {
	return generateWith(t, a, rng, free, check, func(int) {})
}

// generateWith also tells of each token chosen.
func generateWith(t testing.TB, a *Automaton, rng *rand.Rand, free int, check func(State, []int), chosen func(id int)) string {
	var b strings.Builder
	m := a.NewMatcher()
	bits := make([]uint64, m.Words())
	for n := 0; !m.Done(); n++ {
		if n >= free && m.Complete() {
			break
		}
		require.Less(t, n, free+3000, "no end: %.300q", b.String())
		m.Mask(bits)
		ids := listOf(bits)
		require.NotEmpty(t, ids, "nothing may follow %q", b.String())
		if check != nil {
			check(m.at, ids)
		}
		id := ids[rng.IntN(len(ids))]
		if n >= free {
			id = soonest(a, m.at, ids, rng)
		}
		require.NoError(t, m.Accept(id))
		chosen(id)
		b.WriteString(a.vocab.texts[id])
	}
	return b.String()
}

// soonest chooses a token after which the shortest text completes the document.
func soonest(a *Automaton, s State, ids []int, rng *rand.Rand) int {
	best, least := ids[0], 1<<30
	for range 64 {
		id := ids[rng.IntN(len(ids))]
		if next, err := a.Advance(s, id); err == nil {
			if d := distance(a, next); d < least {
				best, least = id, d
			}
		}
	}
	for _, b := range []byte("\"]}0:,1truefalsn \\u") { // also what ends things
		id := int(a.vocab.bytes[b])
		if next, err := a.Advance(s, id); err == nil {
			if d := distance(a, next); d < least {
				best, least = id, d
			}
		}
	}
	return best
}

func TestObjectsParse(t *testing.T) {
	for _, white := range []Whitespace{Compact, Flexible} {
		a := NewAutomaton(JSONObject(white), smallVocabulary(t))
		for seed := range uint64(60) {
			rng := rand.New(rand.NewPCG(seed, 1))
			n := 0
			text := generate(t, a, rng, 40, func(s State, _ []int) {
				if n++; n%7 == 0 {
					requireMask(t, a, s)
				}
			})
			var v map[string]any
			require.NoError(t, json.Unmarshal([]byte(text), &v), "%q", text)
		}
	}
}

func TestObjectAcceptsJSON(t *testing.T) {
	a := NewAutomaton(JSONObject(Flexible), smallVocabulary(t))
	for _, text := range []string{
		`{}`, `{ }`, `{"a":1}`, `{"a": [1, 2.5e-3, -0, true, false, null, {"b": {}}]}`,
		"{\n  \"a\": [\n    1,\n    \"\\u00e4\\ud83d\\ude00\\n\"\n  ]\n}", `{"ключ":"значение 😀"}`,
	} {
		s, n := a.AdvanceBytes(a.Start(), text)
		require.Equal(t, len(text), n, "%q stops before %q", text, text[n:])
		require.True(t, a.Ended(s), text)
	}
	for _, text := range []string{
		`[]`, `{"a":01}`, `{"a":.5}`, `{"a":1.}`, `{a:1}`, `{"a":1,}`, `{"a" :1}`, " {}",
		`{"\ud800":1}`, `{"\ud800\u0041":1}`, "{\"\x80\":1}", "{\"\xed\xa0\x80\":1}", "{\"\n\":1}", `{"\x":1}`, `{"a":nul}`,
	} {
		s, n := a.AdvanceBytes(a.Start(), text)
		require.False(t, n == len(text) && a.Accepts(s), text)
	}
}

func TestForced(t *testing.T) {
	r := &rules{}
	r.add("root", seq{lit(`{"name":`), alt{lit(`"one"`), lit(`"only"`)}, lit("}")})
	g, err := compile(r)
	require.NoError(t, err)
	a := NewAutomaton(g, smallVocabulary(t))
	s := a.Start()
	require.Equal(t, `{"name":"on`, string(a.Forced(s)))
	s, _ = a.AdvanceBytes(s, `{"name":"onl`)
	require.Equal(t, `y"}`, string(a.Forced(s)))
	s, _ = a.AdvanceBytes(s, `y"}`)
	require.Empty(t, a.Forced(s))
	require.True(t, a.Ended(s))
}

func TestForcedTokensLeaveTheLastChoice(t *testing.T) {
	tok := tokenizer.O200kHarmony()
	r := &rules{}
	r.add("root", seq{lit(`{"name":`), alt{lit(`"x"`), lit(`5`)}, lit("}")})
	g, err := compile(r)
	require.NoError(t, err)
	m := NewAutomaton(g, largeVocabulary(t)).NewMatcher()
	ids := m.ForcedTokens(tok.Encode)
	require.Equal(t, `{"name`, tok.Decode(ids), "\":\" could follow as one token")
	require.Empty(t, m.ForcedTokens(tok.Encode))
	bits := make([]uint64, m.Words())
	m.Mask(bits)
	var texts []string
	for _, id := range listOf(bits) {
		texts = append(texts, tok.Bytes(id))
	}
	require.ElementsMatch(t, []string{`"`, `":`, `":"`}, texts)
}

func TestMatcherEnds(t *testing.T) {
	v := smallVocabulary(t)
	m := NewAutomaton(JSONObject(Compact), v).NewMatcher(v.Size() - 1)
	end := v.Size() - 1
	require.ErrorIs(t, m.Accept(end), ErrNotAllowed)
	for _, c := range []byte(`{}`) {
		require.False(t, m.Done())
		require.NoError(t, m.Accept(int(v.bytes[c])))
	}
	require.True(t, m.Done())
	bits := make([]uint64, m.Words())
	m.Mask(bits)
	require.Equal(t, []int{end}, listOf(bits))
	require.NoError(t, m.Accept(end))
	require.ErrorIs(t, m.Accept(end), ErrNotAllowed)
	m.Mask(bits)
	require.Empty(t, listOf(bits))
}
