package grammar

import (
	"cmp"
	"slices"
	"unicode/utf8"
)

// runeRange is the characters from lo to hi, both included.
type runeRange struct{ lo, hi rune }

// runeSet is a set of characters: ascending ranges that do not touch.
type runeSet []runeRange

// anyRune is every character that UTF-8 can express.
var anyRune = runeSet{{0, 0xD7FF}, {0xE000, utf8.MaxRune}}

// setOf returns the characters of the ranges, in whatever order they come.
func setOf(ranges ...runeRange) runeSet {
	rs := slices.Clone(ranges)
	slices.SortFunc(rs, func(a, b runeRange) int { return cmp.Compare(a.lo, b.lo) })
	var s runeSet
	for _, r := range rs {
		if n := len(s); n > 0 && r.lo <= s[n-1].hi+1 {
			s[n-1].hi = max(s[n-1].hi, r.hi)
		} else if r.lo <= r.hi {
			s = append(s, r)
		}
	}
	return s
}

// intersect returns the characters that are in both sets.
func (s runeSet) intersect(t runeSet) runeSet {
	var both runeSet
	for i, j := 0, 0; i < len(s) && j < len(t); {
		if lo, hi := max(s[i].lo, t[j].lo), min(s[i].hi, t[j].hi); lo <= hi {
			both = append(both, runeRange{lo, hi})
		}
		if s[i].hi < t[j].hi {
			i++
		} else {
			j++
		}
	}
	return both
}

// has tells whether r is in the set.
func (s runeSet) has(r rune) bool {
	_, found := slices.BinarySearchFunc(s, r, func(e runeRange, r rune) int {
		switch {
		case e.hi < r:
			return -1
		case e.lo > r:
			return 1
		}
		return 0
	})
	return found
}

// negate returns the characters that are not in s.
func (s runeSet) negate() runeSet {
	var rest runeSet
	next := rune(0)
	for _, r := range s {
		if next < r.lo {
			rest = append(rest, runeRange{next, r.lo - 1})
		}
		next = r.hi + 1
	}
	if next <= utf8.MaxRune {
		rest = append(rest, runeRange{next, utf8.MaxRune})
	}
	return rest.intersect(anyRune)
}

// byteRange is the bytes from lo to hi, both included.
type byteRange struct{ lo, hi byte }

// continuation is what follows the first byte of a character in UTF-8.
var continuation = byteRange{0x80, 0xBF}

// encodings calls each with sequences of byte ranges that together spell
// exactly the characters of s in UTF-8.
func (s runeSet) encodings(each func(seq []byteRange)) {
	lengths := [...]runeRange{{0, 0x7F}, {0x80, 0x7FF}, {0x800, 0xFFFF}, {0x10000, utf8.MaxRune}}
	for _, r := range s.intersect(anyRune) {
		for _, l := range lengths {
			if lo, hi := max(r.lo, l.lo), min(r.hi, l.hi); lo <= hi {
				splitEncodings(nil, utf8.AppendRune(nil, lo), utf8.AppendRune(nil, hi), each)
			}
		}
	}
}

// splitEncodings does it for the encodings from a to b, equally long, behind a
// common prefix.
func splitEncodings(prefix []byteRange, a, b []byte, each func([]byteRange)) {
	with := func(r byteRange) []byteRange { return append(slices.Clone(prefix), r) }
	if len(a) == 1 {
		each(with(byteRange{a[0], b[0]}))
		return
	}
	if a[0] == b[0] {
		splitEncodings(with(byteRange{a[0], a[0]}), a[1:], b[1:], each)
		return
	}
	lo, hi := a[0], b[0]
	first, last := make([]byte, len(a)-1), make([]byte, len(a)-1)
	for i := range first {
		first[i], last[i] = continuation.lo, continuation.hi
	}
	if !slices.Equal(a[1:], first) {
		splitEncodings(with(byteRange{lo, lo}), a[1:], last, each)
		lo++
	}
	if !slices.Equal(b[1:], last) {
		splitEncodings(with(byteRange{hi, hi}), first, b[1:], each)
		hi--
	}
	if lo <= hi {
		seq := with(byteRange{lo, hi})
		for range first {
			seq = append(seq, continuation)
		}
		each(seq)
	}
}
