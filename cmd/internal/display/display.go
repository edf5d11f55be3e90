// Package display makes texts of others fit for a terminal: names of files, mounts and
// models, errors, and what a model writes. None of them is to command it.
package display

import (
	"io"
	"strings"
	"unicode"
)

// Text returns text with U+FFFD in the place of control characters. Line ends and tabs
// stay.
func Text(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// Writer writes what it is given to Out as Text has it. Each Write must end with a whole
// character.
type Writer struct{ Out io.Writer }

func (w Writer) Write(text []byte) (int, error) {
	if _, err := io.WriteString(w.Out, Text(string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}
