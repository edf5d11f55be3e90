package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// quietTerminal is the terminal of a chat, which shows no keys while the model loads
// and answers: they would stand in the middle of the answer. It keeps them for the next
// prompt. Ctrl-C sends its signal as ever. A nil one does nothing.
type quietTerminal struct {
	fd     int
	before unix.Termios
	screen io.Writer // nil where it takes no sequences
}

// Sequences of terminals.
const (
	pastesBracketed = "\x1b[?2004h" // what is pasted comes between marks
	pastesPlain     = "\x1b[?2004l"
	cursorShown     = "\x1b[?25h"
)

// hush makes a terminal quiet; nil for what is none. Out is where its sequences go, if
// it is one that takes any.
func hush(in *os.File, out io.Writer) *quietTerminal {
	if in == nil {
		return nil
	}
	q := &quietTerminal{fd: int(in.Fd())}
	before, err := unix.IoctlGetTermios(q.fd, unix.TCGETS)
	if err != nil {
		return nil
	}
	q.before = *before
	if takesSequences(out) {
		q.screen = out
	}
	q.hush()
	return q
}

func (q *quietTerminal) hush() {
	if q == nil {
		return
	}
	quiet := q.before
	quiet.Lflag &^= unix.ECHO | unix.ICANON
	quiet.Cc[unix.VMIN], quiet.Cc[unix.VTIME] = 1, 0
	_ = unix.IoctlSetTermios(q.fd, unix.TCSETS, &quiet)
}

// aloud has the terminal as it was before, until hush is called again.
func (q *quietTerminal) aloud() {
	if q != nil {
		_ = unix.IoctlSetTermios(q.fd, unix.TCSETS, &q.before)
	}
}

// restore leaves the terminal as it was, in the middle of a line too.
func (q *quietTerminal) restore() {
	if q == nil {
		return
	}
	q.aloud()
	if q.screen != nil {
		_, _ = io.WriteString(q.screen, pastesPlain+cursorShown)
	}
}

// takesSequences tells whether an output is a terminal that can move its cursor.
func takesSequences(out io.Writer) bool {
	return terminal(out) != nil && os.Getenv("TERM") != "dumb" && os.Getenv("TERM") != ""
}
