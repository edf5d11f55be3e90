package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/term"
)

// statusLine says on a terminal's last line what takes so long, until there is
// something better to see there. Its user writes to the terminal only while it is
// clear. A nil one says nothing.
type statusLine struct {
	screen io.Writer
	width  func() int // of the screen, in columns
	over   chan struct{}
	ended  sync.WaitGroup

	mu    sync.Mutex
	text  string // "" while it is clear
	began time.Time
	shown bool
}

// statusPatience is how long nothing is said.
const statusPatience = 300 * time.Millisecond

// newStatusLine makes one that is clear. End ends it. Nil, which says nothing, is that
// of an output that is no terminal, or cannot erase what it shows.
func newStatusLine(out io.Writer) *statusLine {
	if !takesSequences(out) {
		return nil
	}
	s := &statusLine{screen: out, width: func() int { return columns(out) }, over: make(chan struct{})}
	s.ended.Go(func() {
		tick := time.NewTicker(statusPatience / 2)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				s.draw(now)
			case <-s.over:
				return
			}
		}
	})
	return s
}

// say says text from now on.
func (s *statusLine) say(text string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.text == "" {
		s.began = time.Now()
	}
	s.text = text
}

// draw shows the text, and how long it has been so.
func (s *statusLine) draw(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	since := now.Sub(s.began)
	if s.text == "" || since < statusPatience {
		return
	}
	s.shown = true
	line := fmt.Sprintf("%s, %d s", s.text, int(since.Seconds()))
	if room := max(0, s.width()-1); len(line) > room { // in two lines it could not be erased
		line = line[:room]
	}
	fmt.Fprintf(s.screen, "\r\x1b[K%s", line)
}

// columns is the width of a terminal, or a common one.
func columns(out io.Writer) int {
	if f := terminal(out); f != nil {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// clear gives the line back.
func (s *statusLine) clear() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown {
		fmt.Fprint(s.screen, "\r\x1b[K") // erases the line
	}
	s.text, s.shown = "", false
}

// end gives the line back for good.
func (s *statusLine) end() {
	if s == nil {
		return
	}
	close(s.over)
	s.ended.Wait()
	s.clear()
}
