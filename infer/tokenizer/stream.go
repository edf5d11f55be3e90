package tokenizer

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Stream decodes tokens one at a time, as they are generated, into valid UTF-8.
// It holds back the bytes of a character that later tokens may complete, and
// puts U+FFFD in the place of bytes that nothing can complete. The tokens of
// StopIDs end a text and are not part of it.
type Stream struct {
	t    *Tokenizer
	held string // the start of one UTF-8 sequence
}

// NewStream returns a Stream at the start of a text.
func (t *Tokenizer) NewStream() *Stream { return &Stream{t: t} }

// Push adds a token and returns the text that is complete now.
func (s *Stream) Push(id int) string {
	if slices.Contains(s.t.stop, id) {
		return ""
	}
	text := s.held + s.t.Bytes(id)
	keep := incompleteTail(text)
	s.held = text[len(text)-keep:]
	return validUTF8(text[:len(text)-keep])
}

// Flush ends the text: what was held back comes as U+FFFD.
func (s *Stream) Flush() string {
	text := validUTF8(s.held)
	s.held = ""
	return text
}

// incompleteTail returns how many bytes at the end of s begin a UTF-8
// sequence that more bytes could complete.
func incompleteTail(s string) int {
	for n := 1; n < utf8.UTFMax && n <= len(s); n++ {
		tail := s[len(s)-n:]
		if utf8.RuneStart(tail[0]) {
			if !utf8.FullRuneInString(tail) {
				return n
			}
			return 0
		}
	}
	return 0
}

// validUTF8 replaces each byte that is not part of valid UTF-8 by U+FFFD.
func validUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		b.WriteRune(r)
	}
	return b.String()
}
