package server

import (
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
)

// messagesRequest is the body of POST /v1/messages, of Anthropic's API.
type messagesRequest struct {
	Model         string          `json:"model"`
	MaxTokens     *integer        `json:"max_tokens"`
	Messages      []blockMessage  `json:"messages"`
	System        blocks          `json:"system"`
	StopSequences words           `json:"stop_sequences"`
	Stream        bool            `json:"stream"`
	Temperature   *float64        `json:"temperature"`
	TopP          *float64        `json:"top_p"`
	TopK          *integer        `json:"top_k"`
	Seed          *seed           `json:"seed"` // beyond Anthropic's API
	Tools         []messagesTool  `json:"tools"`
	ToolChoice    *messagesChoice `json:"tool_choice"`
	Thinking      *thinkingConfig `json:"thinking"`
	OutputConfig  *outputConfig   `json:"output_config"`
	OutputFormat  *outputFormat   `json:"output_format"` // the older name of output_config.format
	Thread        *messageThread  `json:"thread"`
	Extra         unnoticed       `json:",embed"`
}

// messageThread asks for a conversation that the server keeps, to send only what is
// new of it. None is kept here. Creating one does no harm, since everything is sent
// then; going on with one is refused as with one that was lost, at which Anthropic's
// library sends everything again.
type messageThread struct {
	Type  string    `json:"type"`
	Extra unnoticed `json:",embed"`
}

type blockMessage struct {
	Role    string    `json:"role"`
	Content blocks    `json:"content"`
	Extra   unnoticed `json:",embed"`
}

type messagesTool struct {
	Type        string         `json:"type"`
	Name        string         `json:"name"`
	Description string         `json:"description"`
	InputSchema jsontext.Value `json:"input_schema"`
	Strict      bool           `json:"strict"`
	Extra       unnoticed      `json:",embed"`
}

type messagesChoice struct {
	Type            string    `json:"type"`
	Name            string    `json:"name"`
	DisableParallel bool      `json:"disable_parallel_tool_use"`
	Extra           unnoticed `json:",embed"`
}

type thinkingConfig struct {
	Type   string    `json:"type"`
	Budget integer   `json:"budget_tokens"`
	Extra  unnoticed `json:",embed"`
}

type outputConfig struct {
	Effort string        `json:"effort"`
	Format *outputFormat `json:"format"`
	Extra  unnoticed     `json:",embed"`
}

type outputFormat = responsesFormat

// anthropicError is the form of Anthropic's API.
func anthropicError(e *apiError) any {
	kind := e.Type
	switch e.status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		kind = "overloaded_error"
	case http.StatusForbidden:
		kind = "permission_error"
	case http.StatusNotFound:
		kind = "not_found_error"
	case http.StatusRequestEntityTooLarge:
		kind = "request_too_large"
	case http.StatusInternalServerError:
		kind = "api_error"
	}
	told := map[string]any{"type": kind, "message": e.Message}
	if e.details != nil {
		told["details"] = e.details
	}
	return map[string]any{"type": "error", "error": told}
}

// serveMessages answers POST /v1/messages.
func (s *Server) serveMessages(w http.ResponseWriter, r *http.Request) {
	if err := s.messages(w, r, false); err != nil {
		writeError(w, anthropicError, err)
	}
}

// serveCountTokens answers POST /v1/messages/count_tokens.
func (s *Server) serveCountTokens(w http.ResponseWriter, r *http.Request) {
	if err := s.messages(w, r, true); err != nil {
		writeError(w, anthropicError, err)
	}
}

// messages returns an error as long as nothing was written. It only counts the
// tokens of the request if count is set.
func (s *Server) messages(w http.ResponseWriter, r *http.Request, count bool) error {
	var q messagesRequest
	if s.Chat == nil {
		return badRequest("", "the model %s has no chat format", s.Model)
	}
	if err := s.decode(w, r, &q); err != nil {
		return err
	}
	if err := q.check(s); err != nil {
		return err
	}
	c, err := q.conversation(s)
	if err != nil {
		return err
	}
	ctx := r.Context()
	x, err := s.exchange(ctx, "messages", c, &sampling{Temperature: q.Temperature, TopP: q.TopP, TopK: q.TopK, Seed: q.Seed})
	if err != nil {
		return err
	}
	defer x.end()
	if count {
		writeJSON(w, http.StatusOK, map[string]int{"input_tokens": len(x.prompt)})
		return nil
	}
	x.stops, x.most = q.StopSequences, min(int(or(q.MaxTokens, integer(x.room()))), x.room())
	if err := x.bind(ctx); err != nil {
		return err
	}
	a := &messagesAnswer{s: s, id: newID("msg_"), streamed: q.Stream, thoughts: q.thinks()}
	var t *text
	if t, a.turn, err = x.text(a, 0); err != nil {
		return err
	}
	return a.serve(ctx, w, x.job, t)
}

// thinks tells whether the client wants to see thoughts.
func (q *messagesRequest) thinks() bool {
	return q.Thinking != nil && q.Thinking.Type != "disabled"
}

func (q *messagesRequest) check(s *Server) error {
	if err := s.checkModel(q.Model); err != nil {
		return err
	}
	if err := refuse("", q.Extra, inRequests, "output_config.format"); err != nil {
		return err
	}
	s.notice("", q.Extra)
	switch {
	case q.Thread != nil && q.Thread.Type != "" && q.Thread.Type != "create":
		e := badRequest("thread", "thread of type %q is not supported: this server keeps no conversations; send the whole one", shorten(q.Thread.Type)).withStatus(http.StatusNotFound)
		e.details = map[string]string{"error_code": "thread_not_found"}
		return e
	case len(q.Messages) == 0:
		return badRequest("messages", "messages is empty")
	case q.MaxTokens != nil && *q.MaxTokens < 0:
		return badRequest("max_tokens", "max_tokens %d: must be 0, to have the prompt read alone, or more", *q.MaxTokens)
	}
	return q.StopSequences.check("stop_sequences")
}

// conversation translates the request.
func (q *messagesRequest) conversation(s *Server) (*conversation, error) {
	c := newConversation()
	if q.OutputConfig != nil {
		if err := c.setEffort("output_config.effort", q.OutputConfig.Effort); err != nil {
			return nil, err
		}
	}
	system, err := q.System.text(s, c, "system", false)
	if err != nil {
		return nil, err
	}
	c.instruct(system)
	for i := range q.Tools {
		if err := q.Tools[i].addTo(s, c, fmt.Sprintf("tools[%d]", i)); err != nil {
			return nil, err
		}
	}
	for i, m := range q.Messages {
		s.notice("messages[]", m.Extra)
		if err := m.addTo(s, c, fmt.Sprintf("messages[%d]", i)); err != nil {
			return nil, err
		}
	}
	if err := q.setChoice(c); err != nil {
		return nil, err
	}
	field, f := "output_format", q.OutputFormat
	if q.OutputConfig != nil && q.OutputConfig.Format != nil {
		field, f = "output_config.format", q.OutputConfig.Format
	}
	if f == nil {
		return c, nil
	}
	var schema *schemaFormat
	if f.Schema != nil {
		schema = &f.schemaFormat
	}
	return c, c.setFormat(field, f.Type, schema)
}

// addTo offers the tool, if clients run it.
func (t *messagesTool) addTo(s *Server, c *conversation, field string) error {
	if t.Type != "" && t.Type != "custom" {
		s.noticeTool(t.Type)
		return nil
	}
	return c.addTool(field, t.Name, t.Description, t.InputSchema, t.Strict)
}

func (q *messagesRequest) setChoice(c *conversation) error {
	if q.ToolChoice == nil {
		return nil
	}
	c.parallel = !q.ToolChoice.DisableParallel
	if q.ToolChoice.Type == "tool" {
		return c.choose("tool_choice", choiceRequired, q.ToolChoice.Name)
	}
	mode, ok := choiceNames[q.ToolChoice.Type]
	if !ok {
		return badRequest("tool_choice", "tool_choice of type %q is not auto, any, tool or none", shorten(q.ToolChoice.Type))
	}
	return c.choose("tool_choice", mode)
}
