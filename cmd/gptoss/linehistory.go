package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// historyVariable names the file of what was typed in the environment; none:
// nothing is kept.
const historyVariable = "GPTOSS_HISTORY"

const (
	historyKept  = 1000     // lines, after the file has been shortened
	historyMost  = 2 * 1000 // lines before that
	historyEntry = 1 << 16  // bytes of a line that is kept
)

// lineHistory is what was typed, in this chat and in those before: readline.History.
// The file has a JSON string a line, the oldest first, and is the user's alone.
// Several chats may append to it.
type lineHistory struct {
	path  string // "" keeps no file
	lines []string
	torn  bool  // the file ends in the middle of a line
	err   error // why the last line was not kept, until lost has told
	told  bool
}

// historyPath is where the history is kept; "" for nowhere.
func historyPath() string {
	switch path := os.Getenv(historyVariable); path {
	case "none":
		return ""
	case "":
	default:
		return path
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "gptoss", "history")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "state", "gptoss", "history")
}

// openHistory reads the file, and shortens it when it has become long. The history
// can be used whatever the error.
func openHistory(path string) (*lineHistory, error) {
	h := &lineHistory{path: path}
	if path == "" {
		return h, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err != nil {
		h.path = ""
		return h, fmt.Errorf("what is typed is not kept: %w; $%s names another file, or none", err, historyVariable)
	}
	for line := range bytes.Lines(text) {
		var typed string
		if json.Unmarshal(line, &typed) == nil && typed != "" {
			h.lines = append(h.lines, printable(typed))
		}
	}
	h.torn = len(text) > 0 && text[len(text)-1] != '\n'
	if len(h.lines) > historyMost {
		h.lines = h.lines[len(h.lines)-historyKept:]
		err = h.rewrite()
	}
	return h, err
}

// rewrite puts the lines in place of the file.
func (h *lineHistory) rewrite() error {
	var text []byte
	for _, line := range h.lines {
		text = appendHistory(text, line)
	}
	f, err := os.CreateTemp(filepath.Dir(h.path), ".history-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), h.path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

func appendHistory(text []byte, line string) []byte {
	quoted, _ := json.Marshal(line) // a string can always be
	return append(append(text, quoted...), '\n')
}

// Write adds a line, and returns how many there are. That the file cannot be written is
// no error: lost tells of it.
func (h *lineHistory) Write(line string) (int, error) {
	line = printable(line)
	h.lines = append(h.lines, line)
	if h.path == "" || len(line) > historyEntry {
		return len(h.lines), nil
	}
	var text []byte
	if h.torn {
		text = append(text, '\n')
	}
	f, err := os.OpenFile(h.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		var n int
		n, err = f.Write(appendHistory(text, line))
		h.torn = err != nil && (n > 0 || h.torn)
		err = errors.Join(err, f.Close())
	}
	h.err = err
	return len(h.lines), nil
}

// lost tells once why what is typed is not kept in the file, if it is not.
func (h *lineHistory) lost() error {
	if h.err == nil || h.told {
		return nil
	}
	h.told = true
	return fmt.Errorf("what is typed is not kept: %w; $%s names another file, or none", h.err, historyVariable)
}

// GetLine returns a line by its number, the oldest being 0.
func (h *lineHistory) GetLine(number int) (string, error) {
	if number < 0 || number >= len(h.lines) {
		return "", fmt.Errorf("the history has %d lines, and no number %d", len(h.lines), number)
	}
	return h.lines[number], nil
}

// Len is the number of lines.
func (h *lineHistory) Len() int { return len(h.lines) }

// Dump returns the lines.
func (h *lineHistory) Dump() any { return h.lines }
