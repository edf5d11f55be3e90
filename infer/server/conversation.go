package server

import (
	"context"
	"slices"
	"strings"

	"expertfs/infer/harmony"
)

// conversation is what the requests of all chat endpoints are translated to. The
// methods that add to it put what clients say in the order that the format wants.
type conversation struct {
	effort       harmony.Effort
	noThoughts   bool // as far as that can be had
	instructions []string
	messages     []harmony.Message
	calls        map[string]int // by the client's id: where the call stands in messages
	tools        []tool
	schemas      int // bytes of the tools' parameters
	choice       choice
	parallel     bool // several calls in one answer are welcome
	format       format
}

// tool is a function that the model may call.
type tool struct {
	harmony.Function
	field  string // of the request, where it stands
	strict bool   // its arguments must follow the schema
}

// choice says what the model is to do with the tools.
type choice struct {
	mode  choiceMode
	names []string // the only ones that may be called; nil: all
}

type choiceMode int

const (
	choiceAuto     choiceMode = iota
	choiceNone                // no calls
	choiceRequired            // at least one call
)

// format is the form that the answer must have.
type format struct {
	field       string // of the request, that asks for it
	kind        formatKind
	name        string
	description string
	source      []byte // a JSON schema, or a grammar
}

type formatKind int

const (
	formatText    formatKind = iota
	formatObject             // any JSON object
	formatSchema             // JSON as source describes it
	formatGrammar            // text as source derives it, in GBNF
)

// newConversation returns a conversation without a word.
func newConversation() *conversation {
	return &conversation{effort: harmony.Medium, calls: make(map[string]int), parallel: true}
}

func (c *conversation) add(h harmony.Header, text string) {
	c.messages = append(c.messages, harmony.Message{Header: h, Content: text})
}

// instruct adds a system or developer message. Those at the start become one.
func (c *conversation) instruct(text string) {
	switch {
	case strings.TrimSpace(text) == "":
	case len(c.messages) == 0:
		c.instructions = append(c.instructions, text)
	default:
		c.messages = append(c.messages, harmony.DeveloperMessage(text))
	}
}

func (c *conversation) user(name, text string) {
	c.add(harmony.Header{Role: harmony.User, Name: name}, text)
}

// think adds reasoning. What is not to be shown any more is left out later.
func (c *conversation) think(text string) {
	if text != "" {
		c.add(harmony.Header{Role: harmony.Assistant, Channel: harmony.Analysis}, text)
	}
}

// say adds text of the assistant: its answer, or what it said before calls.
func (c *conversation) say(text string, calls bool) {
	channel := harmony.Final
	if calls {
		channel = harmony.Commentary
	}
	if text != "" {
		c.add(harmony.Header{Role: harmony.Assistant, Channel: channel}, text)
	}
}

// call adds a call of the assistant's.
func (c *conversation) call(id, name, arguments string) {
	c.calls[id] = len(c.messages)
	c.add(harmony.Header{
		Role: harmony.Assistant, Channel: harmony.Commentary,
		Recipient: harmony.FunctionRecipient(name), ContentType: "<|constrain|>json",
	}, arguments)
}

// result adds what a call has led to, behind the call. The name may be empty.
// It tells whether there was a call that it may belong to.
func (c *conversation) result(id, name, text string) bool {
	at, ok := c.calls[id]
	if !ok && name == "" {
		if at = c.lastCall(); at < 0 {
			return false
		}
		ok = true
	}
	recipient := harmony.FunctionRecipient(name)
	if ok {
		recipient = c.messages[at].Recipient
	}
	m := harmony.Message{Header: harmony.Header{
		Role: harmony.Tool, Name: recipient, Recipient: string(harmony.Assistant), Channel: harmony.Commentary,
	}, Content: text}
	if !ok {
		c.messages = append(c.messages, m)
		return true
	}
	for at++; at < len(c.messages) && c.messages[at].Role == harmony.Tool; at++ {
	}
	c.messages = slices.Insert(c.messages, at, m)
	for id, place := range c.calls {
		if place >= at {
			c.calls[id] = place + 1
		}
	}
	return true
}

// lastCall is where the last call stands, or -1.
func (c *conversation) lastCall() int {
	for i, m := range slices.Backward(c.messages) {
		if m.Role == harmony.Assistant && m.Recipient != "" {
			return i
		}
	}
	return -1
}

// offered returns the tools that the model is shown.
func (c *conversation) offered() []tool {
	if c.choice.mode == choiceNone {
		return nil
	}
	var all []tool
	for _, t := range c.tools {
		if c.choice.names == nil || slices.Contains(c.choice.names, t.Name) {
			all = append(all, t)
		}
	}
	return all
}

// render returns the messages of the conversation after those that begin every
// chat.
func (s *Server) render(c *conversation) []harmony.Message {
	developer := harmony.DeveloperContent{Instructions: strings.Join(c.instructions, "\n\n")}
	for _, t := range c.offered() {
		developer.Tools = append(developer.Tools, t.Function)
	}
	if c.format.kind == formatSchema {
		developer.Formats = []harmony.Format{{Name: c.format.name, Description: c.format.description, Schema: c.format.source}}
	}
	all := s.System(c.effort, len(developer.Tools) > 0)
	if m := developer.Message(); m.Content != "" {
		all = append(all, m)
	}
	return append(all, c.messages...)
}

// encodeConversation returns the tokens of c and of the beginning of the answer.
func (s *Server) encodeConversation(c *conversation) func(context.Context, int) ([]int, error) {
	return func(ctx context.Context, most int) ([]int, error) {
		return s.Chat.PromptWithin(ctx, s.render(c), most)
	}
}
