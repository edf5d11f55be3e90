package tokenizer

import (
	"iter"
	"unicode"
	"unicode/utf8"
)

// o200kPattern is the pattern that split implements, as tokenizer.json spells
// it. What is a letter is decided by the Unicode version of Go's tables: an
// implementation with newer ones may split characters added since otherwise.
// The comments below call its alternatives, in order, lower word, upper
// word, number, symbols, line ends, spaces before a space, and spaces.
const o200kPattern = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
	`|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?` +
	`|\p{N}{1,3}` +
	`| ?[^\s\p{L}\p{N}]+[\r\n/]*` +
	`|\s*[\r\n]+` +
	`|\s+(?!\S)` +
	`|\s+`

// class is what the pattern distinguishes about a rune.
type class uint8

const (
	symbol   class = iota // none of the others; also a byte that is not UTF-8
	upper                 // Lu, Lt
	lower                 // Ll
	caseless              // Lm, Lo: belongs to both halves of a word
	mark                  // M: as caseless, but may also be the sign before a word
	number                // N
	space                 // White_Space except the next two
	newline               // \r, \n
)

// startsWord tells whether c may stand in the upper half of a word.
func (c class) startsWord() bool { return c == upper || c == caseless || c == mark }

// endsWord tells whether c may stand in the lower half of a word.
func (c class) endsWord() bool { return c == lower || c == caseless || c == mark }

// classAt returns the class and the length in bytes of the rune at s[i:]. At
// the end of s the length is 0 and the class is one that continues nothing.
func classAt(s string, i int) (class, int) {
	if i >= len(s) {
		return number, 0
	}
	if c := s[i]; c < utf8.RuneSelf {
		return asciiClass[c], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	if r == utf8.RuneError && n == 1 {
		return symbol, 1
	}
	return runeClass(r), n
}

var asciiClass = func() (t [utf8.RuneSelf]class) {
	for r := range rune(utf8.RuneSelf) {
		t[r] = runeClass(r)
	}
	return t
}()

func runeClass(r rune) class {
	switch {
	case r == '\r' || r == '\n':
		return newline
	case unicode.IsSpace(r):
		return space
	case unicode.IsLower(r):
		return lower
	case unicode.IsUpper(r), unicode.IsTitle(r):
		return upper
	case unicode.IsLetter(r):
		return caseless
	case unicode.IsMark(r):
		return mark
	case unicode.IsNumber(r):
		return number
	}
	return symbol
}

// split yields the pieces of s. They follow one another without gaps.
func split(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for len(s) > 0 {
			n := pieceLen(s)
			if !yield(s[:n]) {
				return
			}
			s = s[n:]
		}
	}
}

// pieceLen returns the length of the match of o200kPattern at the start of s,
// which is not empty. Every rune starts a match.
func pieceLen(s string) int {
	first, n := classAt(s, 0)
	if end := wordEnd(s, first, n); end > 0 {
		return end
	}
	switch first {
	case number:
		for range 2 {
			c, w := classAt(s, n)
			if c != number {
				break
			}
			n += w
		}
		return n
	case space, newline:
		if s[0] == ' ' {
			if end := symbolsEnd(s, 1); end > 0 {
				return end
			}
		}
		return spaceEnd(s)
	}
	return symbolsEnd(s, 0)
}

// wordEnd matches the lower-word and upper-word alternatives, each first with
// s's first rune as the optional sign before the word and then without.
// It returns 0 when neither matches.
func wordEnd(s string, first class, n int) int {
	signed := first == symbol || first == mark || first == space
	for _, match := range [...]func(string, int) int{lowerWordEnd, upperWordEnd} {
		end := 0
		if signed {
			end = match(s, n)
		}
		if end == 0 {
			end = match(s, 0)
		}
		if end > 0 {
			return end + contractionLen(s[end:])
		}
	}
	return 0
}

// lowerWordEnd matches an upper half, perhaps empty, and a lower half from i.
// Where no lower-case letter follows the upper half, a regular expression
// would give back runes of it until the lower half has one: the last caseless
// rune or mark then ends the word. It returns 0 for no match.
func lowerWordEnd(s string, i int) int {
	lastShared := 0
	c, n := classAt(s, i)
	for ; c.startsWord(); c, n = classAt(s, i) {
		i += n
		if c != upper {
			lastShared = i
		}
	}
	if c != lower {
		return lastShared
	}
	return skip(s, i, class.endsWord)
}

// upperWordEnd matches an upper half and a lower half, perhaps empty, from i.
// It returns 0 for no match.
func upperWordEnd(s string, i int) int {
	end := skip(s, i, class.startsWord)
	if end == i {
		return 0
	}
	return skip(s, end, class.endsWord)
}

// skip returns the end of the longest run of runes from i that are in the set.
func skip(s string, i int, in func(class) bool) int {
	for {
		c, n := classAt(s, i)
		if n == 0 || !in(c) {
			return i
		}
		i += n
	}
}

// contractionLen returns the length of (?i:'s|'t|'re|'ve|'m|'ll|'d) at the
// start of s, or 0. The long s (U+017F) is an s in another case.
func contractionLen(s string) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	switch s[1] | 0x20 {
	case 's', 't', 'm', 'd':
		return 2
	}
	if len(s) < 3 {
		return 0
	}
	switch {
	case s[1:3] == "\u017f":
		return 3
	case s[1]|0x20 == 'l' && s[2]|0x20 == 'l',
		(s[1]|0x20 == 'r' || s[1]|0x20 == 'v') && s[2]|0x20 == 'e':
		return 3
	}
	return 0
}

// symbolsEnd matches runes that are no letters, numbers or spaces, then line
// ends and slashes, from i. It returns 0 for no match.
func symbolsEnd(s string, i int) int {
	end := skip(s, i, func(c class) bool { return c == symbol || c == mark })
	if end == i {
		return 0
	}
	for end < len(s) && (s[end] == '\r' || s[end] == '\n' || s[end] == '/') {
		end++
	}
	return end
}

// spaceEnd matches the three alternatives for white space at the start of s:
// up to the last line end of the run; else all of it but the last rune, which
// is left to what follows; else all of it.
func spaceEnd(s string) int {
	end, last, afterNewline := 0, 0, 0
	for {
		c, n := classAt(s, end)
		if c != space && c != newline {
			break
		}
		last = end
		end += n
		if c == newline {
			afterNewline = end
		}
	}
	switch {
	case afterNewline > 0:
		return afterNewline
	case end < len(s) && last > 0:
		return last
	}
	return end
}
