package tokenizer

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The types and functions below run o200kPattern as written, by backtracking,
// for comparison with split. A matcher tries to match at in[i:] and calls next
// with each end it finds, best first, until next accepts one.
type matcher func(in []rune, i int, next func(end int) bool) bool

func one(set func(rune) bool) matcher {
	return func(in []rune, i int, next func(int) bool) bool {
		return i < len(in) && set(in[i]) && next(i+1)
	}
}

func seq(ms ...matcher) matcher {
	return func(in []rune, i int, next func(int) bool) bool {
		if len(ms) == 0 {
			return next(i)
		}
		return ms[0](in, i, func(end int) bool { return seq(ms[1:]...)(in, end, next) })
	}
}

func alt(ms ...matcher) matcher {
	return func(in []rune, i int, next func(int) bool) bool {
		for _, m := range ms {
			if m(in, i, next) {
				return true
			}
		}
		return false
	}
}

// times is the greedy repetition {least,most}.
func times(m matcher, least, most int) matcher {
	return func(in []rune, i int, next func(int) bool) bool {
		more := most > 0 && m(in, i, func(end int) bool {
			return times(m, max(least-1, 0), most-1)(in, end, next)
		})
		return more || least == 0 && next(i)
	}
}

func star(m matcher) matcher { return times(m, 0, 1<<30) }
func plus(m matcher) matcher { return times(m, 1, 1<<30) }
func opt(m matcher) matcher  { return times(m, 0, 1) }

// folded matches word in any case, by Unicode's simple folding.
func folded(word string) matcher {
	var ms []matcher
	for _, want := range word {
		ms = append(ms, one(func(r rune) bool { return strings.EqualFold(string(r), string(want)) }))
	}
	return seq(ms...)
}

func in(tables ...*unicode.RangeTable) func(rune) bool {
	return func(r rune) bool { return r >= 0 && unicode.In(r, tables...) }
}

func none(set ...func(rune) bool) func(rune) bool {
	return func(r rune) bool {
		return !slices.ContainsFunc(set, func(f func(rune) bool) bool { return f(r) })
	}
}

func runes(s string) func(rune) bool {
	return func(r rune) bool { return strings.ContainsRune(s, r) }
}

func patternMatcher() matcher {
	letter, num, space := in(unicode.L), in(unicode.N), in(unicode.White_Space)
	upperHalf := one(in(unicode.Lu, unicode.Lt, unicode.Lm, unicode.Lo, unicode.M))
	lowerHalf := one(in(unicode.Ll, unicode.Lm, unicode.Lo, unicode.M))
	sign := opt(one(none(runes("\r\n"), letter, num)))
	var endings []matcher
	for _, w := range []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"} {
		endings = append(endings, folded(w))
	}
	contraction := opt(alt(endings...))
	notBeforeText := func(in []rune, i int, next func(int) bool) bool { // (?!\S)
		return (i == len(in) || space(in[i])) && next(i)
	}
	return alt(
		seq(sign, star(upperHalf), plus(lowerHalf), contraction),
		seq(sign, plus(upperHalf), star(lowerHalf), contraction),
		times(one(num), 1, 3),
		seq(opt(one(runes(" "))), plus(one(none(space, letter, num))), star(one(runes("\r\n/")))),
		seq(star(one(space)), plus(one(runes("\r\n")))),
		seq(plus(one(space)), notBeforeText),
		plus(one(space)),
	)
}

// slowSplit is split by patternMatcher.
func slowSplit(s string) []string {
	var rs []rune
	at := []int{0} // byte offset of each rune
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			r = -1 // no rune at all: not even U+FFFD
		}
		i += n
		rs, at = append(rs, r), append(at, i)
	}
	m := patternMatcher()
	var pieces []string
	for i := 0; i < len(rs); {
		end := -1
		m(rs, i, func(e int) bool { end = e; return true })
		if end <= i {
			panic("the pattern matches everywhere")
		}
		pieces = append(pieces, s[at[i]:at[end]])
		i = end
	}
	return pieces
}

func TestSplitAgainstPattern(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := textGen().Draw(t, "text")
		require.Equal(t, slowSplit(s), slices.Collect(split(s)))
	})
}

// TestSplitShortStrings tries all strings of up to four runes of each class.
func TestSplitShortStrings(t *testing.T) {
	alphabet := []string{"a", "A", "ʰ", "\u0301", "1", " ", "\u3000", "\n", "!", "/", "'", "s"}
	longest := 4
	if testing.Short() {
		longest = 3
	}
	level := []string{""}
	for range longest {
		var next []string
		for _, s := range level {
			for _, a := range alphabet {
				next = append(next, s+a)
			}
		}
		for _, s := range next {
			got := slices.Collect(split(s))
			if want := slowSplit(s); !slices.Equal(want, got) {
				t.Fatalf("%q: want %q, got %q", s, want, got)
			}
		}
		level = next
	}
}

func TestSplitExamples(t *testing.T) {
	for text, want := range map[string][]string{
		"":                       nil,
		"I'll've we're THEY'RE":  {"I'll", "'ve", " we're", " THEY'RE"},
		"HTTPServer XMLParser":   {"HTTPServer", " XMLParser"},
		"camelCase":              {"camel", "Case"},
		"  x   \n  y ":           {" ", " x", "   \n", " ", " y", " "},
		"12345678":               {"123", "456", "78"},
		"a //b\r\n/c":            {"a", " //", "b", "\r\n", "/c"},
		"\u0301ABC d\u0301":      {"\u0301", "ABC", " d\u0301"},
		"Re'ſ it'S x'LLy x'k":    {"Re'ſ", " it'S", " x'LL", "y", " x", "'k"},
		"\xff\xfea \xf0\x9f\x99": {"\xff\xfe", "a", " \xf0\x9f\x99"},
	} {
		require.Equal(t, want, slices.Collect(split(text)), "%q", text)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("Don't \u00a0 stop\r\n\t//1234 ")
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 2000 {
			return // backtracking takes stack
		}
		got := slices.Collect(split(s))
		if want := slowSplit(s); !slices.Equal(want, got) {
			t.Fatalf("%q: want %q, got %q", s, want, got)
		}
	})
}
