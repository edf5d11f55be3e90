package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"expertfs/cmd/internal/display"

	"github.com/charmbracelet/x/ansi"
	"github.com/reeflective/readline"
	"github.com/reeflective/readline/inputrc"
	"golang.org/x/term"
)

// terminal returns the terminal that an input or output is, or nil.
func terminal(stream any) *os.File {
	if f, ok := stream.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// lineInput asks for lines. The error at the end of the input is io.EOF, and that
// of Ctrl-C errInterrupted, with what had been typed.
type lineInput interface {
	readLine(prompt string) (string, error)
}

// newLineInput returns what asks at a terminal: the editor, if the program's own
// input and output are one that can move its cursor.
func newLineInput(in *os.File, quiet *quietTerminal, out, notes io.Writer, history *lineHistory) lineInput {
	if in == os.Stdin && out == io.Writer(os.Stdout) && takesSequences(out) {
		return newLineEditor(history, notes)
	}
	return &plainLines{in: bufio.NewReader(in), quiet: quiet, prompts: notes}
}

// plainLines leaves the editing to the terminal.
type plainLines struct {
	in      *bufio.Reader
	quiet   *quietTerminal
	prompts io.Writer
}

func (p *plainLines) readLine(prompt string) (string, error) {
	p.quiet.aloud()
	defer p.quiet.hush()
	fmt.Fprint(p.prompts, prompt)
	line, err := p.in.ReadString('\n')
	if err == io.EOF && line != "" {
		err = nil
	}
	return printable(strings.TrimSuffix(line, "\n")), err
}

// altEnter is the key as bindings name it.
var altEnter = string(inputrc.Enmeta('\r'))

// lineEditor edits lines with the keys of readline, as ~/.inputrc sets them. What
// is pasted is one text, whatever is in it, and so are the lines from a """ to the next.
// Between lines the terminal is as it was, so that Ctrl-C sends its signal; but what is
// pasted then is one text too.
type lineEditor struct {
	shell   *readline.Shell
	history *lineHistory
	notes   io.Writer
}

func newLineEditor(history *lineHistory, notes io.Writer) *lineEditor {
	rl := readline.NewShell(inputrc.WithApp("gptoss"))
	for name, value := range map[string]any{
		"enable-bracketed-paste": true,
		// Bytes above 127 are parts of characters, not keys with Alt.
		"convert-meta": false, "input-meta": true, "output-meta": true,
		// A terminal that does not answer where its cursor is would hang the chat.
		"cursor-position-probe": false,
	} {
		_ = rl.Config.Set(name, value)
	}
	rl.Keymap.Register(map[string]func(){
		// The package's own one drops what follows the first code point: accents
		// that combine, and the parts of emoji.
		"self-insert": func() {
			rl.History.SkipSave()
			rl.Cursor().InsertAt(rl.Keys.Caller()...)
		},
		"insert-newline": func() {
			rl.History.SkipSave()
			rl.Cursor().InsertAt('\n')
		},
	})
	for _, keys := range []string{"emacs", "emacs-standard", "vi-insert"} {
		_ = rl.Config.Bind(keys, "\t", "tab-insert", false)
		_ = rl.Config.Bind(keys, altEnter, "insert-newline", false)
	}
	// In a message of several lines the arrows go from line to line.
	for _, keys := range []string{"emacs", "emacs-standard"} {
		for sequence, bind := range rl.Config.Binds[keys] {
			switch {
			case !strings.HasPrefix(sequence, inputrc.Unescape(`\M-[`)) && !strings.HasPrefix(sequence, inputrc.Unescape(`\M-O`)):
			case bind.Action == "previous-history":
				_ = rl.Config.Bind(keys, sequence, "up-line-or-history", false)
			case bind.Action == "next-history":
				_ = rl.Config.Bind(keys, sequence, "down-line-or-history", false)
			}
		}
	}
	rl.PasteTransformer = printable
	rl.AcceptMultiline = func(line []rune) bool { return !openQuotes(string(line)) }
	rl.Prompt.Secondary(func() string { return "... " })
	rl.History.Delete()
	rl.History.Add("chat", history)
	return &lineEditor{shell: rl, history: history, notes: notes}
}

// roomBelow is what scrolls a terminal up, from the row where a line begins, until all of
// the line and a row below it have room. The editor moves down there and up again; at
// the bottom of the screen it would come out a row too high, over the end of an answer.
// A prompt before the line has so many columns.
func roomBelow(line string, prompt, columns, rows int) string {
	below := 1
	for i, text := range strings.Split(line, "\n") {
		width := prompt + ansi.StringWidth(strings.ReplaceAll(text, "\t", "     ")) // as the editor shows tabs
		below += min(i, 1) + width/max(columns, 1)
	}
	below = min(below, rows-1)
	if below < 1 {
		return ""
	}
	// A vertical tab goes down, and scrolls at the bottom.
	return strings.Repeat("\v", below) + fmt.Sprintf("\x1b[%dA", below)
}

func (e *lineEditor) readLine(prompt string) (string, error) {
	begun := false // at first the editor still has the line before
	e.shell.Prompt.Primary(func() string {
		line := ""
		if begun {
			line = string(*e.shell.Line())
		}
		begun = true
		columns, rows, err := term.GetSize(int(os.Stdout.Fd()))
		if err != nil {
			return prompt
		}
		return roomBelow(line, len(prompt), columns, rows) + prompt
	})
	line, err := e.shell.Readline()
	fmt.Fprint(os.Stdout, pastesBracketed)
	if errors.Is(err, readline.ErrInterrupt) {
		err = errInterrupted
	}
	if lost := e.history.lost(); lost != nil {
		fmt.Fprintln(e.notes, "note:", display.Text(lost.Error()))
	}
	return printable(line), err
}
