package grammar

import (
	"strings"
	"unicode/utf8"
)

func (p *gbnfParser) quoted() (expr, error) {
	open := p.at
	p.at++
	var text []byte
	for {
		if p.at == len(p.source) {
			return nil, p.failAt(open, `the text has no closing "`)
		}
		if p.take(`"`) {
			return lit(text), nil
		}
		r, err := p.character()
		if err != nil {
			return nil, err
		}
		text = utf8.AppendRune(text, r)
	}
}

func (p *gbnfParser) class() (expr, error) {
	open := p.at
	p.at++
	negated := p.take("^")
	var ranges []runeRange
	for !p.take("]") {
		if p.at == len(p.source) {
			return nil, p.failAt(open, "the class has no closing ]")
		}
		start := p.at
		low, err := p.character()
		if err != nil {
			return nil, err
		}
		high := low
		if p.next() == '-' && p.at+1 < len(p.source) && p.source[p.at+1] != ']' {
			p.at++
			if high, err = p.character(); err != nil {
				return nil, err
			}
			if high < low {
				return nil, p.failAt(start, "the range ends before it begins")
			}
		}
		ranges = append(ranges, runeRange{low, high})
	}
	set := setOf(ranges...).intersect(anyRune)
	if negated {
		set = set.negate()
	}
	if len(set) == 0 {
		return nil, p.failAt(open, "the class has no character")
	}
	return class(set), nil
}

// escapeLengths are the escapes in hexadecimal, and how many digits they have.
var escapeLengths = map[byte]int{'x': 2, 'u': 4, 'U': 8}

// character reads one, or an escape.
func (p *gbnfParser) character() (rune, error) {
	start := p.at
	r, size := utf8.DecodeRuneInString(p.source[p.at:])
	p.at += size
	if r != '\\' {
		return r, nil
	}
	c := p.next()
	p.at = min(p.at+1, len(p.source))
	switch c {
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case '\\', '"', '[', ']':
		return rune(c), nil
	}
	n := escapeLengths[c]
	if n == 0 {
		return 0, p.failAt(start, `there is no such escape; a backslash is written \\`)
	}
	value := rune(0)
	for range n {
		d := strings.IndexByte("0123456789abcdef", p.next()|0x20)
		if p.next() < '0' || d < 0 {
			return 0, p.failAt(start, `want %d hexadecimal digits behind \%c`, n, c)
		}
		if value = value<<4 | rune(d); value > utf8.MaxRune {
			return 0, p.failAt(start, "not a character")
		}
		p.at++
	}
	if !utf8.ValidRune(value) {
		return 0, p.failAt(start, "not a character")
	}
	return value, nil
}
