package harmony

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"expertfs/infer/tokenizer"
)

// constrainName begins a content type whose form is enforced.
const constrainName = "<|constrain|>"

// Encoding renders and parses with one vocabulary. It is safe for concurrent
// use.
type Encoding struct {
	tokens *tokenizer.Tokenizer

	start, end, message, channel, constrain, call int

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
	e.ends = append(t.StopIDs(), e.end, e.call, find("<|return|>"))
	if missing != nil {
		return nil, fmt.Errorf("the vocabulary %s cannot express conversations: it has no %s", t.Name(), strings.Join(missing, ", "))
	}
	return e, nil
}

// Prompt returns the ids of the conversation and of the beginning of the
// assistant's next message, which a Parser for Assistant continues.
//
// Once the assistant has given a final answer, its analysis before that is not
// shown to it again. Analysis is kept while a call is not yet answered.
func (e *Encoding) Prompt(conversation []Message) ([]int, error) {
	var ids []int
	for _, m := range withoutOldAnalysis(conversation) {
		var err error
		if ids, err = e.appendMessage(ids, m); err != nil {
			return nil, err
		}
	}
	ids = append(ids, e.start)
	return append(ids, e.tokens.Encode(string(Assistant))...), nil
}

// withoutOldAnalysis drops the analysis before the first final message, if the
// assistant's last message is final.
func withoutOldAnalysis(conversation []Message) []Message {
	isFinal := func(m Message) bool { return m.Channel == Final }
	for _, m := range slices.Backward(conversation) {
		if m.Role == Assistant {
			if !isFinal(m) {
				return conversation
			}
			break
		}
	}
	first := slices.IndexFunc(conversation, isFinal)
	if first < 0 {
		return conversation
	}
	var kept []Message
	for _, m := range conversation[:first] {
		if m.Channel != Analysis {
			kept = append(kept, m)
		}
	}
	return append(kept, conversation[first:]...)
}

// appendMessage appends the ids of one message. Each text is encoded by
// itself, so that none can merge with or imitate what stands beside it.
func (e *Encoding) appendMessage(ids []int, m Message) ([]int, error) {
	text := func(s string) { ids = append(ids, e.tokens.Encode(s)...) }

	ids = append(ids, e.start)
	switch {
	case m.Role == Tool && m.Name == "":
		return nil, errors.New("a tool's message has no name")
	case m.Role == Tool:
		text(m.Name)
	case m.Name != "":
		text(string(m.Role))
		text(":" + m.Name)
	default:
		text(string(m.Role))
	}
	if m.Recipient != "" {
		text(" to=" + m.Recipient)
	}
	if m.Channel != "" {
		ids = append(ids, e.channel)
		text(m.Channel)
	}
	if rest, ok := strings.CutPrefix(m.ContentType, constrainName); ok {
		text(" ")
		ids = append(ids, e.constrain)
		text(rest)
	} else if m.ContentType != "" {
		text(" " + m.ContentType)
	}
	ids = append(ids, e.message)
	text(m.Content)
	if m.Role == Assistant && m.Recipient != "" {
		return append(ids, e.call), nil
	}
	return append(ids, e.end), nil
}
