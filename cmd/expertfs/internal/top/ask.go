package top

import (
	"slices"
	"strings"
	"unicode"
)

// ask is a line in which something is written.
type ask struct {
	file    string // that it is for
	text    []rune
	choices []string // that the arrows go through
	fresh   bool     // the text is what is set now: what is written comes in its place
}

// begin shows what is set now.
func (a *ask) begin(text string) {
	a.add(text)
	a.fresh = true
}

// add writes at the end.
func (a *ask) add(text string) {
	if a.fresh && text != "" {
		a.text, a.fresh = nil, false
	}
	a.text = append(a.text, []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text))...)
}

// key takes a key by its name and what it writes.
func (a *ask) key(name, text string) {
	switch name {
	case "left", "right", "home", "end":
		a.fresh = false // it is kept, and written on
	case "backspace":
		a.fresh = false
		a.text = a.text[:max(0, len(a.text)-1)]
	case "ctrl+u", "ctrl+w", "delete":
		a.text = nil
	case "up", "down", "tab":
		if len(a.choices) == 0 {
			return
		}
		at := slices.Index(a.choices, string(a.text))
		step := 1
		if name == "up" {
			step = len(a.choices) - 1
			at = max(at, 0)
		}
		a.text, a.fresh = []rune(a.choices[(at+step)%len(a.choices)]), true
	default:
		a.add(text)
	}
}
