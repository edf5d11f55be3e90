package main

import (
	"io"
	"os"
)

// look is how text is put out: as it is for programs, for people, and for people
// with a terminal of colours.
type look int

const (
	piped look = iota
	plain
	coloured
)

// lookOf is what an output of a chat can show.
func lookOf(out io.Writer) look {
	switch {
	case terminal(out) == nil:
		return piped
	case os.Getenv("NO_COLOR") != "", os.Getenv("TERM") == "dumb", os.Getenv("TERM") == "":
		return plain
	}
	return coloured
}

// dim makes text stand back.
func (l look) dim(text string) string {
	if l != coloured || text == "" {
		return text
	}
	return "\x1b[2m" + text + "\x1b[0m"
}

// clean takes from a model's text what a terminal would obey rather than show.
func (l look) clean(text string) string {
	if l == piped {
		return text
	}
	return shown(text)
}
