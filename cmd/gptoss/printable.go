package main

import (
	"regexp"
	"strings"
	"unicode"

	"expertfs/cmd/internal/display"
)

// sequences are what terminals obey: CSI, OSC and the like up to their ends, and other
// escapes of two characters.
var sequences = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?`)

// printable is a text that was pasted or typed without what terminals obey: neither
// the terminal nor the model is to have that.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, sequences.ReplaceAllString(text, ""))
}

// shown is a text of somebody else, such as the model, for a terminal: what terminals
// obey is seen in it. Carriage returns are dropped: some lines end in one before the
// line feed.
func shown(text string) string { return display.Text(strings.ReplaceAll(text, "\r", "")) }
