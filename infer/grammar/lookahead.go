package grammar

import (
	"errors"
	"strings"
)

// lookahead is what must follow the begin of a text, or must not.
type lookahead struct {
	pattern  string
	negative bool
}

// splitLookahead takes the lookahead behind ^ out of a pattern.
func splitLookahead(pattern string) (heads []lookahead, rest string, err error) {
	rest, anchored := strings.CutPrefix(pattern, "^")
	for anchored && (strings.HasPrefix(rest, "(?=") || strings.HasPrefix(rest, "(?!")) {
		end := closing(rest)
		if end < 0 {
			return nil, "", errors.New("a parenthesis is not closed")
		}
		heads = append(heads, lookahead{rest[3:end], rest[2] == '!'})
		rest = rest[end+1:]
	}
	if len(heads) == 0 {
		return nil, pattern, nil
	}
	if hasAlternatives(rest) {
		return nil, "", errors.New("lookahead beside alternatives is not supported; put them in parentheses")
	}
	return heads, "^" + rest, nil
}

// closing returns where the parenthesis that pattern begins with is closed, or
// -1.
func closing(pattern string) int {
	end := -1
	scan(pattern, func(i, depth int) bool {
		if pattern[i] == ')' && depth == 0 {
			end = i
			return false
		}
		return true
	})
	return end
}

// hasAlternatives tells whether the pattern has a | outside of parentheses.
func hasAlternatives(pattern string) bool {
	found := false
	scan(pattern, func(i, depth int) bool {
		found = found || pattern[i] == '|' && depth == 0
		return !found
	})
	return found
}

// scan calls each for the bytes of a pattern that are neither escaped nor in a
// class, with the depth of parentheses behind them, until it returns false.
func scan(pattern string, each func(i, depth int) bool) {
	depth, class := 0, false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
			continue
		case class:
			class = c != ']'
			continue
		case c == '[':
			class = true
		case c == '(':
			depth++
		case c == ')':
			depth--
		}
		if !each(i, depth) {
			return
		}
	}
}
