package main

import (
	"io"
	"strings"
	"unicode"
)

// plain is a text without what would command a terminal. Mount points, names of models
// and processes, and errors may be those of other users.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// plainWriter writes plain text. What is written to it ends with a whole character.
type plainWriter struct{ out io.Writer }

func (p plainWriter) Write(text []byte) (int, error) {
	if _, err := io.WriteString(p.out, plain(string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}
