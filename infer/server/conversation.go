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
	calls        madeCalls
	entries      int // that may still be read out of members of the request
	tools        []tool
	schemas      int // bytes of the tools' parameters
	choice       choice
	parallel     bool // several calls in one answer are welcome
	format       format
}

// madeCalls are the calls in the messages. There may be many thousands.
type madeCalls struct {
	all  []madeCall
	by   map[string][]int // which ones a result may belong to: by "id " and the client's id, "to " and the recipient, or ""
	open map[string]int   // how many of these have a result, from the first on
}

type madeCall struct {
	at      int // where it stands in messages
	results []harmony.Message
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
	return &conversation{effort: harmony.Medium, parallel: true, entries: mostEntries}
}

// setEffort reads the name of an effort. Clients know some that the models do not: they
// stand for the nearest one, and "none" for no thoughts as far as that can be had.
func (c *conversation) setEffort(field, name string) error {
	switch name {
	case "":
	case "none":
		c.effort, c.noThoughts = harmony.Low, true
	case "xhigh", "max":
		c.effort = harmony.High
	default:
		effort, err := harmony.ParseEffort(shorten(name))
		if err != nil {
			return badRequest(field, "%s: %v", field, err)
		}
		c.effort = effort
	}
	return nil
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
	recipient := harmony.FunctionRecipient(name)
	c.calls.add(len(c.messages), "id "+id, "to "+recipient, "")
	c.add(harmony.Header{Role: harmony.Assistant, Channel: harmony.Commentary, Recipient: recipient, ContentType: "<|constrain|>json"}, arguments)
}

// result adds what a call has led to, behind the call. A result without an id is
// that of the first call without a result, as clients of servers without ids send
// them; one of a tool by name needs no call. An id that no call has is refused,
// as OpenAI's and Anthropic's servers do: put behind any other call, the result
// would mean something else.
func (c *conversation) result(field, id, name, text string) error {
	recipient := harmony.FunctionRecipient(name)
	key := ""
	switch {
	case id != "":
		key = "id " + id
	case name != "":
		key = "to " + recipient
	}
	call := c.calls.of(key)
	switch {
	case call != nil:
		recipient = c.messages[call.at].Recipient
	case id != "":
		return badRequest(field, "%s: there is no call %q before it that this could be the result of", field, shorten(id))
	case name == "":
		return badRequest(field, "%s: there is no call before it that this could be the result of", field)
	}
	m := harmony.Message{Header: harmony.Header{
		Role: harmony.Tool, Name: recipient, Recipient: string(harmony.Assistant), Channel: harmony.Commentary,
	}, Content: text}
	if call == nil {
		c.messages = append(c.messages, m)
	} else {
		call.results = append(call.results, m)
	}
	return nil
}

func (m *madeCalls) add(at int, keys ...string) {
	if m.by == nil {
		m.by, m.open = make(map[string][]int), make(map[string]int)
	}
	for _, key := range keys {
		m.by[key] = append(m.by[key], len(m.all))
	}
	m.all = append(m.all, madeCall{at: at})
}

// of returns the call that a result belongs to, or nil: the first without a result
// of those with a key, or else the last one.
func (m *madeCalls) of(key string) *madeCall {
	which := m.by[key]
	if len(which) == 0 {
		return nil
	}
	for m.open[key] < len(which)-1 && len(m.all[which[m.open[key]]].results) > 0 {
		m.open[key]++
	}
	return &m.all[which[m.open[key]]]
}

// withResults returns all messages, results behind their calls.
func (c *conversation) withResults() []harmony.Message {
	all := make([]harmony.Message, 0, len(c.messages)+len(c.calls.all))
	from := 0
	for _, call := range c.calls.all {
		all = append(all, c.messages[from:call.at+1]...)
		all = append(all, call.results...)
		from = call.at + 1
	}
	return append(all, c.messages[from:]...)
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
	return append(all, c.withResults()...)
}

// encodeConversation returns the tokens of c and of the beginning of the answer.
func (s *Server) encodeConversation(c *conversation) func(context.Context, int) ([]int, error) {
	return func(ctx context.Context, most int) ([]int, error) {
		return s.Chat.PromptWithin(ctx, s.render(c), most)
	}
}
