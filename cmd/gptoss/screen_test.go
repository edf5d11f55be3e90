package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The editor at the bottom of a screen writes over nothing: it moves to the row below
// the line and back.
func TestRoomBelow(t *testing.T) {
	for _, c := range []struct {
		line string
		rows int
		want int
	}{
		{"", 24, 1},
		{"short", 24, 1},
		{strings.Repeat("x", 36), 24, 2}, // up to the edge, beyond which the cursor stands
		{strings.Repeat("世", 40), 24, 3},
		{"one\ntwo\nthree", 24, 3},
		{strings.Repeat("line\n", 300), 12, 11},
		{"", 1, 0},
	} {
		got := roomBelow(c.line, 4, 40, c.rows)
		require.Equal(t, c.want, strings.Count(got, "\v"), "%q", c.line)
		if c.want > 0 {
			require.True(t, strings.HasSuffix(got, fmt.Sprintf("\x1b[%dA", c.want)))
		}
	}
}

// Prompts at the bottom of the screen leave what was said before: each takes a row more,
// and no row is written over.
func TestChatAtTheBottomOfTheScreen(t *testing.T) {
	k := startTalk(t, nil, "--model", tinyTree(t))
	k.expect(promptShown)
	const rows = 24
	for range rows {
		k.press("/clear\r")
		k.expect(`a new conversation`)
		k.expect(promptShown)
	}
	k.press("\x04")
	k.ends()
	k.mu.Lock()
	defer k.mu.Unlock()
	screen := newScreen(rows)
	screen.write(k.screen.String())
	// How many rows it is scrolled depends on whether its end is there already.
	require.Regexp(t, `^(\(a new conversation\)\n)?(>>> /clear\n\(a new conversation\)\n){10,11}>>>$`, strings.TrimSpace(screen.String()))
}

// screen is as much of a terminal as the editor needs.
type screen struct {
	lines    [][]rune
	row, col int
}

func newScreen(rows int) *screen { return &screen{lines: make([][]rune, rows)} }

var screenParts = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]|(?s:.)`)

func (s *screen) write(text string) {
	for _, part := range screenParts.FindAllString(text, -1) {
		switch {
		case part == "\r":
			s.col = 0
		case part == "\n" || part == "\v":
			if s.row++; s.row == len(s.lines) {
				s.row--
				s.lines = append(s.lines[1:], nil)
			}
		case len(part) > 2 && part[0] == '\x1b':
			n := 1
			_, _ = fmt.Sscanf(part, "\x1b[%d", &n)
			switch part[len(part)-1] {
			case 'A':
				s.row = max(0, s.row-n)
			case 'B':
				s.row = min(len(s.lines)-1, s.row+n)
			case 'C':
				s.col += n
			case 'D':
				s.col = max(0, s.col-n)
			case 'J':
				clear(s.lines[s.row+1:])
				fallthrough
			case 'K':
				s.lines[s.row] = s.lines[s.row][:min(s.col, len(s.lines[s.row]))]
			}
		default:
			line := s.lines[s.row]
			for len(line) <= s.col {
				line = append(line, ' ')
			}
			line[s.col] = []rune(part)[0]
			s.lines[s.row] = line
			s.col++
		}
	}
}

func (s *screen) String() string {
	var text strings.Builder
	for _, line := range s.lines {
		text.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return text.String()
}
