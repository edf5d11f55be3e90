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
}

// add writes at the end.
func (a *ask) add(text string) {
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
	case "backspace":
		a.text = a.text[:max(0, len(a.text)-1)]
	case "ctrl+u", "ctrl+w":
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
		a.text = []rune(a.choices[(at+step)%len(a.choices)])
	default:
		a.add(text)
	}
}
