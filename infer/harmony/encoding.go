package harmony

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"expertfs/infer/tokenizer"
)

// constrainName begins a content type whose form is enforced.
const constrainName = "<|constrain|>"

// Encoding renders and parses with one vocabulary. It is safe for concurrent
// use.
type Encoding struct {
	tokens *tokenizer.Tokenizer

	start, end, message, channel, constrain, call, back int

	ends []int // tokens after which a message is over
}

// NewEncoding finds the special tokens of the format in t. The error names
// those that t does not have.
func NewEncoding(t *tokenizer.Tokenizer) (*Encoding, error) {
	e := &Encoding{tokens: t}
	var missing []string
	find := func(name string) int {
		id, ok := t.Special(name)
		if !ok {
			missing = append(missing, name)
		}
		return id
	}
	e.start, e.end, e.message = find("<|start|>"), find("<|end|>"), find("<|message|>")
	e.channel, e.constrain, e.call = find("<|channel|>"), find(constrainName), find("<|call|>")
	e.back = find("<|return|>")
	e.ends = append(t.StopIDs(), e.end, e.call, e.back)
	if missing != nil {
		return nil, fmt.Errorf("the vocabulary %s cannot express conversations: it has no %s", t.Name(), strings.Join(missing, ", "))
	}
	return e, nil
}

// Prompt returns the ids of the conversation and of the beginning of the
// assistant's next message, which a Parser for Assistant continues. Analysis of
// turns that have ended is left out.
func (e *Encoding) Prompt(conversation []Message) ([]int, error) {
	return e.PromptWithin(context.Background(), conversation, math.MaxInt)
}

// PromptWithin is Prompt for conversations that may be too long: it ends with
// tokenizer.ErrTooLong when there are more than most ids, and with ctx's error
// when that ends.
func (e *Encoding) PromptWithin(ctx context.Context, conversation []Message, most int) ([]int, error) {
	w := writer{e: e, ctx: ctx, most: most}
	for _, m := range withoutOldAnalysis(conversation, true) {
		w.message(m)
	}
	w.special(e.start)
	w.text(string(Assistant))
	return w.ids, w.err
}

// Render returns the ids of a conversation that is not continued.
func (e *Encoding) Render(conversation []Message) ([]int, error) {
	w := writer{e: e, ctx: context.Background(), most: math.MaxInt}
	for _, m := range withoutOldAnalysis(conversation, false) {
		w.message(m)
	}
	return w.ids, w.err
}

// AnswerHeader returns the ids between those of a Prompt and the content of a
// message with header h, in the order in which the model writes them.
func (e *Encoding) AnswerHeader(h Header) []int {
	w := writer{e: e, ctx: context.Background(), most: math.MaxInt}
	w.special(e.channel)
	w.text(h.Channel)
	if h.Recipient != "" {
		w.text(" to=" + h.Recipient)
	}
	w.contentType(h.ContentType)
	w.special(e.message)
	return w.ids
}

// NextMessage returns the ids that end a message of the assistant and begin
// another one, up to its header.
func (e *Encoding) NextMessage() []int {
	return append([]int{e.end, e.start}, e.tokens.Encode(string(Assistant))...)
}

// Marks are the special tokens of the format.
type Marks struct{ Start, End, Message, Channel, Constrain, Call, Return int }

// Marks returns the special tokens of the format.
func (e *Encoding) Marks() Marks {
	return Marks{e.start, e.end, e.message, e.channel, e.constrain, e.call, e.back}
}

// writer appends the ids of messages. Each text is encoded by itself, so that
// none can merge with or imitate what stands beside it. After an error it does
// nothing.
type writer struct {
	e    *Encoding
	ctx  context.Context
	most int
	ids  []int
	err  error
}

func (w *writer) special(id int) { w.ids = append(w.ids, id) }

func (w *writer) text(s string) {
	if w.err == nil {
		w.ids, w.err = w.e.tokens.AppendWithin(w.ctx, w.ids, s, w.most)
	}
}

func (w *writer) message(m Message) {
	w.special(w.e.start)
	switch {
	case m.Role == Tool && m.Name == "":
		w.err = errors.New("a tool's message has no name")
	case m.Role == Tool:
		w.text(m.Name)
	default:
		w.text(string(m.Role))
		if m.Name != "" {
			w.text(":" + m.Name)
		}
	}
	if m.Recipient != "" {
		w.text(" to=" + m.Recipient)
	}
	if m.Channel != "" {
		w.special(w.e.channel)
		w.text(m.Channel)
	}
	w.contentType(m.ContentType)
	w.special(w.e.message)
	w.text(m.Content)
	if m.Role == Assistant && m.Recipient != "" {
		w.special(w.e.call)
	} else {
		w.special(w.e.end)
	}
}

func (w *writer) contentType(name string) {
	if rest, ok := strings.CutPrefix(name, constrainName); ok {
		w.text(" ")
		w.special(w.e.constrain)
		w.text(rest)
	} else if name != "" {
		w.text(" " + name)
	}
}
