package grammar

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// JSON Schema has the patterns of ECMAScript, and package regexp/syntax reads those of Go.
// Where the same text means something else to them, or is an error to Go alone, translate
// writes what Go reads as ECMAScript means it.

// blanks are what \s matches in ECMAScript: more than the five of Go.
var blanks = setOf(
	runeRange{'\t', '\r'}, runeRange{' ', ' '}, runeRange{0xA0, 0xA0}, runeRange{0x1680, 0x1680}, runeRange{0x2000, 0x200A},
	runeRange{0x2028, 0x2029}, runeRange{0x202F, 0x202F}, runeRange{0x205F, 0x205F}, runeRange{0x3000, 0x3000}, runeRange{0xFEFF, 0xFEFF},
)

// translate returns a pattern of ECMAScript in Go's form. What it does not know is left
// to Go, which refuses it.
func translate(pattern string) string {
	t := translator{rest: pattern}
	for t.rest != "" {
		switch {
		case t.rest[0] == '\\' && len(t.rest) > 1:
			t.escape()
		case t.inClass:
			t.classByte()
		case strings.HasPrefix(t.rest, "[]"): // no character
			t.write(2, `[^\x{0}-\x{10FFFF}]`)
		case strings.HasPrefix(t.rest, "[^]"): // any character
			t.write(3, `[\x{0}-\x{10FFFF}]`)
		case t.rest[0] == '[':
			t.inClass = true
			n := 1 + len(t.rest[1:]) - len(strings.TrimPrefix(t.rest[1:], "^"))
			t.write(n, t.rest[:n])
		default:
			t.write(1, t.rest[:1])
		}
	}
	return t.done.String()
}

// translator is a pattern on its way.
type translator struct {
	done    strings.Builder
	rest    string
	inClass bool
	dash    bool // in a class: the last that was read is a dash, which may be a range's
}

// write writes text for the first n bytes of the rest.
func (t *translator) write(n int, text string) {
	t.done.WriteString(text)
	t.rest = t.rest[n:]
	t.dash = false
}

// classByte takes a byte of a class. A bracket within is one: Go would look for the name
// of a POSIX class.
func (t *translator) classByte() {
	switch c := t.rest[0]; c {
	case ']':
		t.inClass = false
		t.write(1, "]")
	case '[':
		t.write(1, `\[`)
	default:
		t.write(1, t.rest[:1])
		t.dash = c == '-'
	}
}

// escape takes a backslash and what belongs to it.
func (t *translator) escape() {
	switch t.rest[1] {
	case 'u':
		if r, n := unicodeEscape(t.rest); n > 0 {
			t.write(n, fmt.Sprintf(`\x{%X}`, r))
			return
		}
	case 's':
		if t.set(blanks) {
			return
		}
	case 'S':
		if t.set(blanks.negate()) {
			return
		}
	}
	t.write(2, t.rest[:2])
}

// set writes a set for an escape of two bytes. A dash behind it in a class stands for
// itself; where one stands before it, it is left to Go, to which that is no range.
func (t *translator) set(set runeSet) bool {
	if t.dash {
		return false
	}
	var b strings.Builder
	for _, r := range set {
		fmt.Fprintf(&b, `\x{%X}-\x{%X}`, r.lo, r.hi)
	}
	if !t.inClass {
		t.write(2, "["+b.String()+"]")
		return true
	}
	t.write(2, b.String())
	if strings.HasPrefix(t.rest, "-") {
		t.write(1, `\-`)
	}
	return true
}

// unicodeEscape returns the character of \uXXXX at the start of text, or of a pair of
// surrogates so written, and how many bytes it takes; 0 where there is none.
func unicodeEscape(text string) (r rune, n int) {
	unit := func(text string) (rune, bool) {
		if len(text) < 6 || text[:2] != `\u` {
			return 0, false
		}
		v, err := strconv.ParseUint(text[2:6], 16, 16)
		return rune(v), err == nil
	}
	r, ok := unit(text)
	if !ok {
		return 0, 0
	}
	if low, ok := unit(text[6:]); ok {
		if pair := utf16.DecodeRune(r, low); pair != '\uFFFD' {
			return pair, 12
		}
	}
	return r, 6
}
