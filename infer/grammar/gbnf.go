package grammar

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// GBNFError says what is wrong in a grammar, and where.
type GBNFError struct {
	Line, Column int // from 1, columns in characters
	Reason       string
}

func (e *GBNFError) Error() string {
	return fmt.Sprintf("grammar, line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// GBNF returns the language of a grammar in the notation of llama.cpp:
//
//	root  ::= item ("," item)*     # the rule root derives the text
//	item  ::= [a-z]+ | "\"" [^"\n]{1,20} "\"" | .
//
// A rule is a name of letters, digits, dashes and underscores, ::=, and alternatives
// divided by |. These are made of texts in quotes, classes of characters, a dot for any
// character, names of rules, and groups in parentheses. Each may have *, +, ?, {m}, {m,}
// or {m,n} behind it. A rule ends with its line. It goes on with the next line within a
// group, after ::=, and before or after |. Escapes are \n \r \t \\ \" \[ \] \xHH \uHHHH
// and \UHHHHHHHH, all of which stand for characters. Rules may be recursive, but not
// before their first character.
//
// Errors in the source are of type *GBNFError.
func GBNF(source string) (*Grammar, error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("grammar: %w", sizeError("bytes", maxSource))
	}
	p := &gbnfParser{source: source, rules: &rules{}, byName: make(map[string]ref)}
	if i := invalidUTF8(source); i >= 0 {
		return nil, p.failAt(i, "not valid UTF-8")
	}
	p.refer("root", -1)
	if err := p.parse(); err != nil {
		return nil, err
	}
	g, err := compile(p.rules)
	var recursion *recursionError
	if errors.As(err, &recursion) {
		// A rule of a repetition has the name of the rule that it stands in.
		at := p.defined[p.byName[recursion.path[0]]]
		return nil, p.failAt(at, "%v; let each rule begin with a character before it comes back to itself", err)
	}
	if err != nil {
		return nil, fmt.Errorf("grammar: %w", err)
	}
	if g.empty() {
		return nil, p.failAt(p.defined[0], "the rule root derives no finite text")
	}
	return g, nil
}

func invalidUTF8(s string) int {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			return i
		}
	}
	return -1
}

type gbnfParser struct {
	*rules
	source  string
	at      int
	depth   int
	byName  map[string]ref
	used    []int // by rule: where it is first named
	defined []int // by rule: where it is defined, or -1
}

func (p *gbnfParser) fail(reason string, args ...any) error { return p.failAt(p.at, reason, args...) }

func (p *gbnfParser) failAt(at int, reason string, args ...any) error {
	before := p.source[:at]
	line := strings.Count(before, "\n")
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return &GBNFError{line + 1, column + 1, fmt.Sprintf(reason, args...)}
}

// refer returns the rule of that name, which stands at a place in the source.
func (p *gbnfParser) refer(name string, at int) ref {
	rule, ok := p.byName[name]
	if !ok {
		rule = p.declare(name)
		p.byName[name] = rule
		p.used = append(p.used, at)
		p.defined = append(p.defined, -1)
	}
	return rule
}

// next returns the character at p.at, or 0 at the end.
func (p *gbnfParser) next() byte {
	if p.at < len(p.source) {
		return p.source[p.at]
	}
	return 0
}

func (p *gbnfParser) take(text string) bool {
	if !strings.HasPrefix(p.source[p.at:], text) {
		return false
	}
	p.at += len(text)
	return true
}

// space skips spaces and comments, and line ends where lines is set.
func (p *gbnfParser) space(lines bool) {
	for p.at < len(p.source) {
		switch c := p.source[p.at]; {
		case c == ' ' || c == '\t' || lines && (c == '\n' || c == '\r'):
			p.at++
		case c == '#':
			for p.at < len(p.source) && p.source[p.at] != '\n' && p.source[p.at] != '\r' {
				p.at++
			}
		default:
			return
		}
	}
}

func (p *gbnfParser) name() string {
	start := p.at
	for c := p.next(); c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'; c = p.next() {
		p.at++
	}
	return p.source[start:p.at]
}

func (p *gbnfParser) parse() error {
	for p.space(true); p.at < len(p.source); p.space(true) {
		start := p.at
		name := p.name()
		if name == "" {
			return p.fail("want the name of a rule")
		}
		rule := p.refer(name, start)
		if p.defined[rule] >= 0 {
			return p.failAt(start, "the rule %s is defined twice", name)
		}
		p.defined[rule] = start
		p.space(false)
		if !p.take("::=") {
			return p.fail("want ::= behind the name of a rule")
		}
		p.space(true)
		body, err := p.alternatives(false)
		if err != nil {
			return err
		}
		p.define(rule, body)
		if c := p.next(); c != '\n' && c != '\r' && c != 0 {
			return p.fail("want the end of the line or another part of the rule")
		}
	}
	for rule, at := range p.defined {
		if at < 0 && rule == 0 {
			return p.failAt(len(p.source), "there is no rule root")
		}
		if at < 0 {
			return p.failAt(p.used[rule], "there is no rule %s", p.names[rule])
		}
	}
	return nil
}

func (p *gbnfParser) alternatives(nested bool) (expr, error) {
	choices := alt{}
	for {
		one, err := p.sequence(nested)
		if err != nil {
			return nil, err
		}
		choices = append(choices, one)
		if !p.bar() {
			return choices, nil
		}
		p.space(true)
	}
}

// bar takes the | before another choice. It may begin a line, where nothing else that
// begins with it could.
func (p *gbnfParser) bar() bool {
	before := p.at
	if p.space(true); p.take("|") {
		return true
	}
	p.at = before
	return false
}

func (p *gbnfParser) sequence(nested bool) (expr, error) {
	parts := seq{}
	for {
		one, err := p.symbol()
		if err != nil || one == nil {
			return parts, err
		}
		p.space(nested)
		for {
			counted, ok, err := p.repetition(one)
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			one = counted
			p.space(nested)
		}
		parts = append(parts, one)
	}
}

// symbol returns what stands at p.at, or nil where no symbol begins.
func (p *gbnfParser) symbol() (expr, error) {
	switch c := p.next(); {
	case c == '"':
		return p.quoted()
	case c == '[':
		return p.class()
	case c == '.':
		p.at++
		return class(anyRune), nil
	case c == '(':
		if p.depth++; p.depth > maxNesting {
			return nil, p.fail("parentheses are nested deeper than %d", maxNesting)
		}
		open := p.at
		p.at++
		p.space(true)
		inner, err := p.alternatives(true)
		if err != nil {
			return nil, err
		}
		if !p.take(")") {
			return nil, p.fail("want ) for the ( of %s", strings.TrimPrefix(p.failAt(open, "").Error(), "grammar, "))
		}
		p.depth--
		return inner, nil
	case c == '<' || c == '!':
		return nil, p.fail("tokens are not supported: write the text instead")
	case c == '*' || c == '+' || c == '?' || c == '{':
		return nil, p.fail("there is nothing before %c to repeat", c)
	}
	start := p.at
	if name := p.name(); name != "" {
		return p.refer(name, start), nil
	}
	return nil, nil
}

// repetition reads the operator behind e, if there is one.
func (p *gbnfParser) repetition(e expr) (expr, bool, error) {
	switch p.next() {
	case '*':
		p.at++
		return repeat{e, 0, -1}, true, nil
	case '+':
		p.at++
		return repeat{e, 1, -1}, true, nil
	case '?':
		p.at++
		return repeat{e, 0, 1}, true, nil
	case '{':
	default:
		return nil, false, nil
	}
	p.at++
	p.space(false)
	low, isLow, err := p.number()
	if err != nil {
		return nil, false, err
	}
	high := low
	p.space(false)
	if p.take(",") {
		p.space(false)
		var isHigh bool
		if high, isHigh, err = p.number(); err != nil {
			return nil, false, err
		}
		if !isHigh {
			high = -1
		} else if high < low {
			return nil, false, p.fail("the upper bound %d is below the lower one", high)
		}
		p.space(false)
	} else if !isLow {
		return nil, false, p.fail("want a number")
	}
	if !p.take("}") {
		return nil, false, p.fail("want } behind the bounds of a repetition")
	}
	return repeat{e, low, high}, true, nil
}

func (p *gbnfParser) number() (n int, ok bool, err error) {
	for ; p.next() >= '0' && p.next() <= '9'; p.at++ {
		if n = n*10 + int(p.next()-'0'); n > maxCount {
			return 0, false, p.fail("at most %d repetitions are supported", maxCount)
		}
		ok = true
	}
	return n, ok, nil
}
