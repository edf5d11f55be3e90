package tokenizer

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Stream decodes tokens one at a time, as they are generated, into valid UTF-8.
// It holds back the bytes of a character that later tokens may complete, and
// puts U+FFFD in the place of what nothing can complete, as ValidUTF8 does. The tokens of
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
	return ValidUTF8(text[:len(text)-keep])
}

// Flush ends the text: what was held back comes as U+FFFD.
func (s *Stream) Flush() string {
	text := ValidUTF8(s.held)
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

// ValidUTF8 returns s with U+FFFD in the place of what is not UTF-8: one for each
// maximal part of a character, as Unicode 3.9 recommends and OpenAI's own decoder
// does, and one for each byte that begins no character.
func ValidUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			n = maximalPart(s[i:])
		}
		b.WriteRune(r)
		i += n
	}
	return b.String()
}

// maximalPart returns how many bytes at the start of s, which is not UTF-8,
// could have begun one character; at least 1.
func maximalPart(s string) int {
	n := 1
	for n < min(len(s), utf8.UTFMax-1) && !utf8.FullRuneInString(s[:n+1]) {
		n++
	}
	return n
}
