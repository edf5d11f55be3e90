package tokenizer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
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
	begins  [256]bool      // by the first byte of the special names
	added   []added        // tokens of ordinary text that are matched whole
	size    int
	stop    []int
}

// added is a token that is found in ordinary text before it is split.
type added struct {
	text string
	id   int
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
		t.begins[text[0]] = true
	}
	t.lengths = slices.SortedFunc(maps.Keys(lengths), func(a, b int) int { return b - a })
	t.stop = t.defaultStops()
	return t
}

// Name tells where the vocabulary comes from: a file, or "o200k_harmony".
func (t *Tokenizer) Name() string { return t.name }

// Size is one more than the largest id.
func (t *Tokenizer) Size() int { return t.size }

// Within returns t without the tokens that a model of so many ids does not know.
// They must be tokens that a tokenizer.json adds, as for padding: the error
// names one that ordinary text may need.
func (t *Tokenizer) Within(ids int) (*Tokenizer, error) {
	if t.size <= ids {
		return t, nil
	}
	if v := t.vocab(); len(v.tokens) > ids {
		return nil, fmt.Errorf("the vocabulary %s has a token %q with the id %d, and the model only knows ids below %d",
			t.name, v.tokens[len(v.tokens)-1], len(v.tokens)-1, ids)
	}
	special := make(map[string]int, len(t.special))
	for name, id := range t.special {
		if id < ids {
			special[name] = id
		}
	}
	less := newTokenizer(t.name, len(t.vocab().tokens), t.vocab, special)
	for _, a := range t.added {
		if a.id < ids {
			less.added = append(less.added, a)
			less.size = max(less.size, a.id+1)
		}
	}
	less.stop = slices.DeleteFunc(slices.Clone(t.stop), func(id int) bool { return id >= ids })
	return less, nil
}

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
	ids, _ := t.AppendWithin(context.Background(), nil, text, math.MaxInt)
	return ids
}

// AppendWithin appends the ids of text, as Encode gives them, to ids. It ends
// with ErrTooLong as soon as there are sure to be more than most ids in all, and
// with ctx's error when that ends: the work is bounded whatever the text.
func (t *Tokenizer) AppendWithin(ctx context.Context, ids []int, text string, most int) ([]int, error) {
	if text == "" {
		return ids, checkRoom(ids, most)
	}
	m := merger{vocab: t.vocab(), ctx: ctx}
	for len(text) > 0 {
		// What comes before the next added token is ordinary.
		at, id, n := t.nextAdded(text)
		for piece := range split(text[:at]) {
			var err error
			if ids, err = m.appendPiece(ids, piece, most); err != nil {
				return ids, err
			}
		}
		if n > 0 {
			ids = append(ids, id)
		}
		text = text[at+n:]
	}
	return ids, checkRoom(ids, most)
}

// ErrTooLong ends the encoding of a text that has more tokens than allowed.
var ErrTooLong = errors.New("the text has too many tokens")

func checkRoom(ids []int, most int) error {
	if len(ids) > most {
		return ErrTooLong
	}
	return nil
}

// nextAdded finds the first token in text that a tokenizer.json adds to the
// vocabulary without calling it special: its place, id and length. Without one
// the place is the end of text.
func (t *Tokenizer) nextAdded(text string) (at, id, n int) {
	at = len(text)
	for _, a := range t.added {
		limit := min(at+len(a.text), len(text))
		i := strings.Index(text[:limit], a.text)
		if i >= 0 && (i < at || i == at && len(a.text) > n) {
			at, id, n = i, a.id, len(a.text)
		}
	}
	return at, id, n
}

// EncodeSpecial returns the ids of text in which the names of special tokens
// stand for these tokens. Use it for text that is trusted.
func (t *Tokenizer) EncodeSpecial(text string) []int {
	ids, _ := t.AppendSpecialWithin(context.Background(), nil, text, math.MaxInt)
	return ids
}

// AppendSpecialWithin is to EncodeSpecial what AppendWithin is to Encode.
func (t *Tokenizer) AppendSpecialWithin(ctx context.Context, ids []int, text string, most int) ([]int, error) {
	plain := 0 // start of the ordinary text not yet encoded
	for i := 0; i < len(text); {
		if !t.begins[text[i]] {
			i++
			continue
		}
		id, n := t.specialAt(text[i:])
		if n == 0 {
			i++
			continue
		}
		var err error
		if ids, err = t.AppendWithin(ctx, ids, text[plain:i], most); err != nil {
			return ids, err
		}
		ids = append(ids, id)
		i += n
		plain = i
	}
	return t.AppendWithin(ctx, ids, text[plain:], most)
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
	for _, a := range t.added {
		if a.id == id {
			return a.text
		}
	}
	v := t.vocab()
	if id < 0 || id >= len(v.tokens) || v.tokens[id] == "" {
		return string(utf8.RuneError)
	}
	return v.tokens[id]
}

// Text returns the bytes that id stands for, if it is an ordinary token: one
// that Encode may return.
func (t *Tokenizer) Text(id int) (text string, ok bool) {
	v := t.vocab()
	if _, special := t.names[id]; special || id < 0 || id >= len(v.tokens) {
		return "", false
	}
	return v.tokens[id], v.tokens[id] != ""
}

// Decode returns the bytes of ids as Bytes gives them, joined.
func (t *Tokenizer) Decode(ids []int) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(t.Bytes(id))
	}
	return b.String()
}
