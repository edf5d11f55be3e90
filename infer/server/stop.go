package server

import "strings"

// stopper passes text on until one of some strings occurs in it, which may
// begin in one piece and end in another.
type stopper struct {
	stops []string
	held  string // the end of the text, which may begin a stop
	found string // the stop that came
}

// push takes more text and returns what can be passed on, and whether a stop
// has come: nothing that follows is to be passed on then.
func (s *stopper) push(text string) (pass string, stopped bool) {
	if len(s.stops) == 0 {
		return text, false
	}
	text = s.held + text
	s.held = ""
	first := -1
	for _, stop := range s.stops {
		if i := strings.Index(text, stop); i >= 0 && (first < 0 || i < first) {
			first, s.found = i, stop
		}
	}
	if first >= 0 {
		return text[:first], true
	}
	keep := 0
	for _, stop := range s.stops {
		for n := min(len(stop)-1, len(text)); n > keep; n-- {
			if strings.HasSuffix(text, stop[:n]) {
				keep = n
			}
		}
	}
	s.held = text[len(text)-keep:]
	return text[:len(text)-keep], false
}

// flush returns what was held back when the text is at its end.
func (s *stopper) flush() string {
	held := s.held
	s.held = ""
	return held
}
