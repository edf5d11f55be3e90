package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

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
func newLineInput(in *os.File, out, notes io.Writer, history readline.History) lineInput {
	if in == os.Stdin && out == io.Writer(os.Stdout) && terminal(out) != nil && os.Getenv("TERM") != "dumb" {
		return newLineEditor(history)
	}
	return &plainLines{in: bufio.NewReader(in), prompts: notes}
}

// plainLines leaves the editing to the terminal.
type plainLines struct {
	in      *bufio.Reader
	prompts io.Writer
}

func (p *plainLines) readLine(prompt string) (string, error) {
	fmt.Fprint(p.prompts, prompt)
	line, err := p.in.ReadString('\n')
	if err == io.EOF && line != "" {
		err = nil
	}
	return strings.TrimSuffix(line, "\n"), err
}

// altEnter is the key as bindings name it.
var altEnter = string(inputrc.Enmeta('\r'))

// lineEditor edits lines with the keys of readline, as ~/.inputrc sets them. What
// is pasted is one text, whatever is in it. Between lines the terminal is as it was,
// so that Ctrl-C sends its signal.
type lineEditor struct {
	shell *readline.Shell
}

func newLineEditor(history readline.History) *lineEditor {
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
	rl.History.Delete()
	rl.History.Add("chat", history)
	return &lineEditor{shell: rl}
}

func (e *lineEditor) readLine(prompt string) (string, error) {
	e.shell.Prompt.Primary(func() string { return prompt })
	line, err := e.shell.Readline()
	if errors.Is(err, readline.ErrInterrupt) {
		err = errInterrupted
	}
	return line, err
}
