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
	calls        []madeCall
	tools        []tool
	schemas      int // bytes of the tools' parameters
	choice       choice
	parallel     bool // several calls in one answer are welcome
	format       format
}

// madeCall is a call in the messages.
type madeCall struct {
	id       string // of the client's; need not be there
	at       int    // where it stands in messages
	answered bool   // its result has come
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
	return &conversation{effort: harmony.Medium, parallel: true}
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
	c.calls = append(c.calls, madeCall{id: id, at: len(c.messages)})
	c.add(harmony.Header{
		Role: harmony.Assistant, Channel: harmony.Commentary,
		Recipient: harmony.FunctionRecipient(name), ContentType: "<|constrain|>json",
	}, arguments)
}

// result adds what a call has led to, behind the call. A result without an id is
// that of the first call without a result, as clients of servers without ids send
// them; one of a tool by name needs no call. An id that no call has is refused,
// as OpenAI's and Anthropic's servers do: put behind any other call, the result
// would mean something else.
func (c *conversation) result(field, id, name, text string) error {
	recipient := harmony.FunctionRecipient(name)
	call := c.callOf(id, recipient, name != "")
	at := len(c.messages)
	switch {
	case call != nil:
		call.answered = true
		recipient, at = c.messages[call.at].Recipient, call.at+1
		for at < len(c.messages) && c.messages[at].Role == harmony.Tool {
			at++
		}
	case id != "":
		return badRequest(field, "%s: there is no call %q before it that this could be the result of", field, shorten(id))
	case name == "":
		return badRequest(field, "%s: there is no call before it that this could be the result of", field)
	}
	c.messages = slices.Insert(c.messages, at, harmony.Message{Header: harmony.Header{
		Role: harmony.Tool, Name: recipient, Recipient: string(harmony.Assistant), Channel: harmony.Commentary,
	}, Content: text})
	for i := range c.calls {
		if c.calls[i].at >= at {
			c.calls[i].at++
		}
	}
	return nil
}

// callOf returns the call that a result belongs to, or nil: the first without a
// result of those that it may be, or else the last one.
func (c *conversation) callOf(id, recipient string, named bool) *madeCall {
	var last *madeCall
	for i := range c.calls {
		call := &c.calls[i]
		if call.id != id && id != "" || id == "" && named && c.messages[call.at].Recipient != recipient {
			continue
		}
		if !call.answered {
			return call
		}
		last = call
	}
	return last
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
