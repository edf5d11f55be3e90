package server

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"expertfs/infer/tokenizer"
)

// item is a part of the assistant's turn: a thought, a text for the user, or a
// call of a tool.
type item struct {
	kind    itemKind
	index   int    // in the turn
	name    string // of the tool that is called
	id      string // of a call, chosen by us
	message int    // of the parser, that the item is made of
	suffix  string // what ends its text
	whole   bool   // the model came to its end
	text    strings.Builder
	probs   []tokenProb
}

type itemKind int

const (
	thought itemKind = iota
	saying
	calling
)

// sink writes a turn in an endpoint's form. Errors of its methods say that the
// client has gone.
type sink interface {
	// begin is told of an item that has no text yet.
	begin(*item) error
	// add is told of more text of an item, and of tokens whose text is complete.
	add(it *item, text string, probs []tokenProb) error
	// end is told that an item is complete.
	end(*item) error
}

// newID returns an id that nobody has seen before.
func newID(prefix string) string {
	return fmt.Sprintf("%s%016x%08x", prefix, rand.Uint64(), rand.Uint32())
}

// joined returns the texts of all items of a kind, with a blank line between.
func joined(items []*item, kind itemKind) string {
	var texts []string
	for _, it := range items {
		if it.kind == kind && it.text.Len() > 0 {
			texts = append(texts, it.text.String())
		}
	}
	return strings.Join(texts, separator)
}

// validText returns text with U+FFFD in the place of what is not UTF-8.
func validText(text string) string { return tokenizer.ValidUTF8(text) }

// separator stands between texts that clients see as one.
const separator = "\n\n"

// callsOf returns the calls among items.
func callsOf(items []*item) []*item {
	var calls []*item
	for _, it := range items {
		if it.kind == calling {
			calls = append(calls, it)
		}
	}
	return calls
}
