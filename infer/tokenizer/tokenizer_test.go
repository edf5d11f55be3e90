package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"expertfs/checkpoint/checkpointtest/reference"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type goldenCase struct {
	Text string
	IDs  []int
}

func readCases(t *testing.T, path string) []goldenCase {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var cases []goldenCase
	require.NoError(t, json.Unmarshal(data, &cases))
	require.NotEmpty(t, cases)
	return cases
}

// TestO200kGolden compares with ids that the published tokenizer.json of
// gpt-oss-20b gives in other implementations.
func TestO200kGolden(t *testing.T) {
	tok := O200kHarmony()
	for _, c := range readCases(t, "testdata/o200k.json") {
		require.Equal(t, c.IDs, append([]int{}, tok.Encode(c.Text)...), "%q", c.Text)
		require.Equal(t, c.Text, tok.Decode(c.IDs))
	}
}

// loadTiny loads the tokenizer of the model that the project carries.
func loadTiny(t testing.TB) *Tokenizer {
	t.Helper()
	tok, err := Load("../../checkpoint/tiny")
	require.NoError(t, err)
	return tok
}

// TestTinyGolden compares with ids from the training of the tiny model, whose
// texts hold special tokens.
func TestTinyGolden(t *testing.T) {
	tok := loadTiny(t)
	for _, c := range readCases(t, reference.Path(t, "tiny/tokenizer_cases.json")) {
		require.Equal(t, c.IDs, append([]int{}, tok.EncodeSpecial(c.Text)...), "%q", c.Text)
		require.Equal(t, c.Text, tok.Decode(c.IDs))
	}
}

func TestTinyIDs(t *testing.T) {
	tok := loadTiny(t)
	require.Equal(t, 2048, tok.Size())
	require.Equal(t, []int{2039, 2040, 2046}, tok.StopIDs())
	id, ok := tok.Special("<|message|>")
	require.True(t, ok)
	require.Equal(t, 2045, id)
	require.Equal(t, []int{2043, 573, 466, 428, 2045}, tok.EncodeSpecial("<|start|>assistant<|message|>"))
}

func TestHarmonySpecials(t *testing.T) {
	tok := O200kHarmony()
	require.Equal(t, 201088, tok.Size())
	require.Equal(t, []int{199999, 200002, 200012}, tok.StopIDs())
	for name, want := range map[string]int{
		"<|startoftext|>": 199998, "<|endoftext|>": 199999, "<|return|>": 200002, "<|constrain|>": 200003,
		"<|channel|>": 200005, "<|start|>": 200006, "<|end|>": 200007, "<|message|>": 200008, "<|call|>": 200012,
		"<|endofprompt|>": 200018, "<|reserved_200000|>": 200000, "<|reserved_201087|>": 201087,
	} {
		id, ok := tok.Special(name)
		require.True(t, ok, name)
		require.Equal(t, want, id, name)
		require.Equal(t, name, tok.Bytes(id))
		got, ok := tok.SpecialName(id)
		require.True(t, ok)
		require.Equal(t, name, got)
		require.Equal(t, []int{id}, tok.EncodeSpecial(name))
		for _, plain := range tok.Encode(name) {
			require.Less(t, plain, o200kTokens, "%s must stay text", name)
		}
		require.Equal(t, name, tok.Decode(tok.Encode(name)))
	}
	_, ok := tok.Special("<|nothing|>")
	require.False(t, ok)
	require.Equal(t,
		slices.Concat(tok.Encode("a<|<|end|"), []int{200007, 200006}, tok.Encode("|> b")),
		tok.EncodeSpecial("a<|<|end|<|end|><|start|>|> b"))
}

func TestLongestSpecialWins(t *testing.T) {
	tok := newTokenizer("test", o200kTokens, o200kVocabulary, map[string]int{"<a": 300000, "<ab>": 300001})
	require.Equal(t, []int{300001, 300000}, tok.EncodeSpecial("<ab><a"))
}

func TestDecodeUnknownIDs(t *testing.T) {
	require.Equal(t, "\ufffd\ufffd", O200kHarmony().Decode([]int{-1, 201088}))
}

func TestO200kVocabulary(t *testing.T) {
	v := o200kVocabulary()
	require.Len(t, v.tokens, o200kTokens)
	require.Len(t, v.ids, o200kTokens, "two tokens have the same bytes")
	longest := 0
	for _, token := range v.tokens {
		longest = max(longest, len(token))
	}
	require.Equal(t, 128, longest)
}

// textGen makes strings in which the alternatives of the pattern meet.
func textGen() *rapid.Generator[string] {
	alphabet := []rune("aAbBzZ'ssttTLlRrEeVvMmDd   \n\r\t/09½Ⅷ.,-_!#|<>的中ハäÄßſSİıKʰǅא\u0301\u093eข한🙂👩\u200d\u00a0\u3000\u0085\u200b\ufeff\u2028\v\f\x00")
	runes := rapid.StringOfN(rapid.RuneFrom(alphabet), 0, 40, -1)
	return rapid.OneOf(runes, rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
}

func TestRoundTrip(t *testing.T) {
	for _, tok := range []*Tokenizer{O200kHarmony(), loadTiny(t)} {
		rapid.Check(t, func(t *rapid.T) {
			text := textGen().Draw(t, "text")
			require.Equal(t, text, tok.Decode(tok.Encode(text)))
			require.Equal(t, text, tok.Decode(tok.EncodeSpecial(text)))
		})
	}
}

func TestStream(t *testing.T) {
	tok := O200kHarmony()
	rapid.Check(t, func(t *rapid.T) {
		// Tokens of single bytes split every character.
		ids := rapid.SliceOf(rapid.OneOf(rapid.IntRange(0, 255), rapid.IntRange(0, o200kTokens-1))).Draw(t, "ids")
		if rapid.Bool().Draw(t, "from text") {
			ids = tok.Encode(textGen().Draw(t, "text"))
		}
		s := tok.NewStream()
		var out strings.Builder
		for _, id := range ids {
			text := s.Push(id)
			require.True(t, utf8.ValidString(text))
			require.Less(t, len(s.held), utf8.UTFMax)
			out.WriteString(text)
		}
		out.WriteString(s.Flush())
		require.Equal(t, ValidUTF8(tok.Decode(ids)), out.String())
	})
}

func TestStreamHoldsBackIncompleteCharacter(t *testing.T) {
	tok := O200kHarmony()
	var got []string
	s := tok.NewStream()
	for _, b := range []byte("é🙂\xf0\x9f") {
		got = append(got, s.Push(int(o200kVocabulary().byteID[b])))
	}
	got = append(got, s.Flush())
	require.Equal(t, []string{"", "é", "", "", "", "🙂", "", "", "\ufffd"}, got)
}

// The examples of Unicode 3.9, tables 3-8 to 3-11: one U+FFFD for each maximal part.
func TestValidUTF8(t *testing.T) {
	for bad, want := range map[string]string{
		"a\xf1\x80\x80\xe1\x80\xc2b\x80c\x80\xbfd": "a???b?c??d",
		"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82A":        "????????A",
		"\xed\xa0\x80\xed\xbf\xbf\xed\xafA":        "????????A",
		"\xf4\x91\x92\x93\xffA\x80\xbfB":           "?????A??B",
		"\xe1\x80\xe2\xf0\x91\x92\xf1\xbfA":        "????A",
		" \xf0\x9f \xf0\x9fworked":                 " ? ?worked",
		"é🙂":                                       "é🙂",
		"\xf0\x9f\x99":                             "?",
	} {
		require.Equal(t, strings.ReplaceAll(want, "?", "\ufffd"), ValidUTF8(bad), "%q", bad)
	}
}

func TestStreamLeavesOutStops(t *testing.T) {
	tok := O200kHarmony()
	var got []string
	s := tok.NewStream()
	for _, id := range tok.EncodeSpecial("one<|return|> two<|end|><|endoftext|>") {
		got = append(got, s.Push(id))
	}
	require.Equal(t, []string{"one", "", " two", "<|end|>", ""}, got)
}

func TestStopIDsOfGenerationConfig(t *testing.T) {
	for content, want := range map[string][]int{
		`{}`:                             {199999, 200002, 200012},
		`{"eos_token_id": null}`:         {199999, 200002, 200012},
		`{"eos_token_id": 7}`:            {7, 199999, 200002, 200012},
		`{"eos_token_id": [200002,9,9]}`: {9, 199999, 200002, 200012},
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "generation_config.json"), []byte(content), 0o600))
		tok, err := Load(dir)
		require.NoError(t, err)
		require.Equal(t, want, tok.StopIDs(), content)
	}
	for _, content := range []string{`{"eos_token_id": "x"}`, `{`} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "generation_config.json"), []byte(content), 0o600))
		_, err := Load(dir)
		require.ErrorContains(t, err, "generation_config.json")
	}
}

func TestLoadWithoutFolder(t *testing.T) {
	tok, err := Load(t.TempDir())
	require.NoError(t, err)
	require.Equal(t, "o200k_harmony", tok.Name())
	_, err = Load(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func BenchmarkEncode(b *testing.B) {
	tok := O200kHarmony()
	text, err := os.ReadFile("tokenizer_test.go")
	require.NoError(b, err)
	tok.Encode("")
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		tok.Encode(string(text))
	}
}

func TestText(t *testing.T) {
	tok, err := Load("../../checkpoint/tiny")
	require.NoError(t, err)
	for id := range tok.Size() {
		text, ok := tok.Text(id)
		_, special := tok.SpecialName(id)
		require.Equal(t, !special, ok, id)
		if ok {
			require.Equal(t, tok.Bytes(id), text)
		}
	}
	for _, id := range []int{-1, tok.Size()} {
		_, ok := tok.Text(id)
		require.False(t, ok)
	}
	holes, err := loadFile(t, smallFile())
	require.NoError(t, err)
	text, ok := holes.Text(258)
	require.True(t, ok)
	require.Equal(t, "abc", text)
	for _, id := range []int{259, 299, 300} {
		_, ok := holes.Text(id)
		require.False(t, ok, "%d is no ordinary token", id)
	}
}
