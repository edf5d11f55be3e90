package tokenizer

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Tokenizer converts between text and token ids. It is safe for concurrent
// use.
type Tokenizer struct {
	name    string
	vocab   func() *vocabulary // made at the first use, if it was not at Load
	special map[string]int
	names   map[int]string // the reverse of special
	lengths []int          // of the special names, longest first
	size    int
	stop    []int
}

// newTokenizer returns a tokenizer of plain ordinary tokens, with ids from 0,
// and the special ones.
func newTokenizer(name string, plain int, vocab func() *vocabulary, special map[string]int) *Tokenizer {
	t := &Tokenizer{name: name, vocab: vocab, special: special, size: plain, names: make(map[int]string, len(special))}
	lengths := make(map[int]bool)
	for text, id := range special {
		t.names[id] = text
		t.size = max(t.size, id+1)
		lengths[len(text)] = true
	}
	t.lengths = slices.SortedFunc(maps.Keys(lengths), func(a, b int) int { return b - a })
	t.stop = t.defaultStops()
	return t
}

// Name tells where the vocabulary comes from: a file, or "o200k_harmony".
func (t *Tokenizer) Name() string { return t.name }

// Size is one more than the largest id.
func (t *Tokenizer) Size() int { return t.size }

// Special returns the id of the special token with that text, as in
// Special("<|end|>").
func (t *Tokenizer) Special(name string) (id int, ok bool) {
	id, ok = t.special[name]
	return id, ok
}

// SpecialName returns the text of the special token id.
func (t *Tokenizer) SpecialName(id int) (name string, ok bool) {
	name, ok = t.names[id]
	return name, ok
}

// StopIDs returns the ids at which generation ends, in ascending order.
func (t *Tokenizer) StopIDs() []int { return slices.Clone(t.stop) }

// Encode returns the ids of text, in which nothing is special.
func (t *Tokenizer) Encode(text string) []int {
	return t.appendPlain(nil, text)
}

func (t *Tokenizer) appendPlain(ids []int, text string) []int {
	if text == "" {
		return ids
	}
	m := merger{vocab: t.vocab()}
	for piece := range split(text) {
		ids = m.appendPiece(ids, piece)
	}
	return ids
}

// EncodeSpecial returns the ids of text in which the names of special tokens
// stand for these tokens. Use it for text that is trusted.
func (t *Tokenizer) EncodeSpecial(text string) []int {
	var ids []int
	plain := 0 // start of the ordinary text not yet encoded
	for i := 0; i < len(text); {
		id, n := t.specialAt(text[i:])
		if n == 0 {
			i++
			continue
		}
		ids = append(t.appendPlain(ids, text[plain:i]), id)
		i += n
		plain = i
	}
	return t.appendPlain(ids, text[plain:])
}

// specialAt returns the longest special token that text starts with, and the
// length of its name; 0 when there is none.
func (t *Tokenizer) specialAt(text string) (id, n int) {
	for _, n := range t.lengths {
		if n <= len(text) {
			if id, ok := t.special[text[:n]]; ok {
				return id, n
			}
		}
	}
	return 0, 0
}

// Bytes returns the bytes that id stands for: of a special token its name, of
// an id without a token U+FFFD. Tokens may end within a UTF-8 sequence.
func (t *Tokenizer) Bytes(id int) string {
	if name, ok := t.names[id]; ok {
		return name
	}
	v := t.vocab()
	if id < 0 || id >= len(v.tokens) || v.tokens[id] == "" {
		return string(utf8.RuneError)
	}
	return v.tokens[id]
}

// Decode returns the bytes of ids as Bytes gives them, joined.
func (t *Tokenizer) Decode(ids []int) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(t.Bytes(id))
	}
	return b.String()
}
