package server

import (
	"bytes"
	"errors"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// responsesRequest is the body of POST /v1/responses. Nothing is stored: a
// conversation comes whole with each request.
type responsesRequest struct {
	sampling
	Model             string              `json:"model"`
	Input             responsesInput      `json:"input"`
	Instructions      instructions        `json:"instructions"`
	MaxOutputTokens   *integer            `json:"max_output_tokens"`
	MaxToolCalls      *integer            `json:"max_tool_calls"`
	Stop              words               `json:"stop"` // beyond OpenAI's API
	Stream            bool                `json:"stream"`
	Tools             []responsesTool     `json:"tools"`
	ToolChoice        jsontext.Value      `json:"tool_choice"`
	ParallelToolCalls *bool               `json:"parallel_tool_calls"`
	Text              *responsesText      `json:"text"`
	Reasoning         *responsesReasoning `json:"reasoning"`
	TopLogprobs       *integer            `json:"top_logprobs"`
	Include           words               `json:"include"`

	// Given back as they came.
	Metadata         jsontext.Value `json:"metadata"`
	User             *string        `json:"user"`
	Truncation       *string        `json:"truncation"`
	ServiceTier      *string        `json:"service_tier"`
	PromptCacheKey   *string        `json:"prompt_cache_key"`
	SafetyIdentifier *string        `json:"safety_identifier"`

	// Refused unless they ask for nothing.
	PreviousResponse *string        `json:"previous_response_id"`
	Conversation     jsontext.Value `json:"conversation"`
	Background       bool           `json:"background"`
	Prompt           jsontext.Value `json:"prompt"`

	Extra unnoticed `json:",embed"`
}

type responsesText struct {
	Format    *responsesFormat `json:"format"`
	Verbosity *string          `json:"verbosity"`
	Extra     unnoticed        `json:",embed"`
}

type responsesFormat struct {
	Type string `json:"type"`
	schemaFormat
	Extra unnoticed `json:",embed"`
}

type responsesReasoning struct {
	Effort  string    `json:"effort"`
	Summary *string   `json:"summary"`
	Extra   unnoticed `json:",embed"`
}

// responsesTool keeps what it was read from, which goes into the answer.
type responsesTool struct {
	raw jsontext.Value
	chatTool
}

func (t *responsesTool) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	value, err := d.ReadValue()
	if err != nil {
		return err
	}
	t.raw = value.Clone()
	return json.Unmarshal(value, &t.chatTool, decoding)
}

func (t responsesTool) MarshalJSONTo(e *jsontext.Encoder) error {
	if t.Type != "function" || t.Function != nil {
		return e.WriteValue(t.raw)
	}
	return json.MarshalEncode(e, struct {
		Type        string         `json:"type"`
		Name        string         `json:"name"`
		Description string         `json:"description"`
		Parameters  jsontext.Value `json:"parameters"`
		Strict      bool           `json:"strict"`
	}{t.Type, t.Name, t.Description, orNull(t.Parameters), t.Strict})
}

func orNull(v jsontext.Value) jsontext.Value {
	if v == nil {
		return jsontext.Value("null")
	}
	return v
}

// responsesInput is a text, or a list of items.
type responsesInput []inputItem

func (in *responsesInput) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case '"':
		item := inputItem{Role: "user"}
		err := json.UnmarshalDecode(d, &item.Content)
		*in = responsesInput{item}
		return err
	case '[':
		return json.UnmarshalDecode(d, (*[]inputItem)(in))
	}
	return nothingElse(d, "a string or a list of items")
}

// instructions are content, or items as answers give them back.
type instructions struct {
	items responsesInput
	raw   jsontext.Value // what goes into the answer
}

func (in *instructions) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	value, err := d.ReadValue()
	if err != nil || value.Kind() == 'n' || string(value) == `""` {
		return err
	}
	in.raw = value.Clone()
	read := func(v any) error {
		return json.UnmarshalDecode(jsontext.NewDecoder(bytes.NewReader(in.raw), d.Options()), v, d.Options())
	}
	var c anyContent
	if err := read(&c); err != nil || c.other == nil {
		in.items = responsesInput{{Role: "developer", Content: c.content}}
		return err
	}
	err = read(&in.items)
	var semantic *json.SemanticError
	if errors.As(err, &semantic) && semantic.JSONPointer != "" { // it is one within the value
		semantic.JSONPointer = d.StackPointer() + semantic.JSONPointer
	}
	return err
}

// inputItem is one item of the conversation, as a client wrote it or got it.
type inputItem struct {
	Type      string         `json:"type"`
	ID        string         `json:"id"`
	Role      string         `json:"role"`
	Content   content        `json:"content"`
	Summary   content        `json:"summary"`
	CallID    string         `json:"call_id"`
	Name      string         `json:"name"`
	Arguments jsontext.Value `json:"arguments"`
	Input     string         `json:"input"` // of a custom tool's call
	Output    anyContent     `json:"output"`
	Tools     jsontext.Value `json:"tools"`     // that the item adds
	Reasoning jsontext.Value `json:"reasoning"` // that the item sets, as is the next
	Text      jsontext.Value `json:"text"`
	Extra     unnoticed      `json:",embed"`
}

// serveResponses answers POST /v1/responses.
func (s *Server) serveResponses(w http.ResponseWriter, r *http.Request) {
	if err := s.respond(w, r, false); err != nil {
		writeError(w, openAIError, err)
	}
}

// serveInputTokens answers POST /v1/responses/input_tokens.
func (s *Server) serveInputTokens(w http.ResponseWriter, r *http.Request) {
	if err := s.respond(w, r, true); err != nil {
		writeError(w, openAIError, err)
	}
}

// respond returns an error as long as nothing was written. It only counts the
// tokens of the request if count is set.
func (s *Server) respond(w http.ResponseWriter, r *http.Request, count bool) error {
	var q responsesRequest
	if s.Chat == nil {
		return badRequest("", "the model %s has no chat format", s.Model)
	}
	if err := s.decode(w, r, &q); err != nil {
		return err
	}
	if err := q.checkAll(s); err != nil {
		return err
	}
	c, err := q.conversation(s)
	if err != nil {
		return err
	}
	ctx := r.Context()
	x, err := s.exchange(ctx, "input", c, &q.sampling)
	if err != nil {
		return err
	}
	defer x.end()
	if count {
		writeJSON(w, http.StatusOK, map[string]any{"object": "response.input_tokens", "input_tokens": len(x.prompt)})
		return nil
	}
	a := s.newResponse(&q, c)
	x.stops, x.most, x.logprobs = q.Stop, min(int(or(q.MaxOutputTokens, integer(x.room()))), x.room()), a.alternatives
	if err := x.bind(ctx); err != nil {
		return err
	}
	var t *text
	if t, a.turn, err = x.text(a, 0); err != nil {
		return err
	}
	return a.serve(ctx, w, x.job, t)
}

func (q *responsesRequest) checkAll(s *Server) error {
	if err := s.checkModel(q.Model); err != nil {
		return err
	}
	if err := refuse("", q.Extra, inRequests, "text.format"); err != nil {
		return err
	}
	s.notice("", q.Extra)
	switch {
	case or(q.PreviousResponse, "") != "":
		return badRequest("previous_response_id", "previous_response_id is not supported: this server stores no responses; send the whole conversation as input").
			withCode("unsupported_parameter")
	case !isNeutral(q.Conversation):
		return badRequest("conversation", "conversation is not supported: this server stores none; send all of it as input").withCode("unsupported_parameter")
	case q.Background:
		return unsupported("background")
	case !isNeutral(q.Prompt):
		return badRequest("prompt", "prompt is not supported: this server stores no templates").withCode("unsupported_parameter")
	case q.MaxOutputTokens != nil && *q.MaxOutputTokens < 1:
		return badRequest("max_output_tokens", "max_output_tokens %d: must be 1 or more", *q.MaxOutputTokens)
	case or(q.TopLogprobs, 0) < 0 || or(q.TopLogprobs, 0) > mostLogprobs:
		return badRequest("top_logprobs", "top_logprobs %d: must be from 0 to %d", *q.TopLogprobs, mostLogprobs)
	case len(q.Input) == 0 && len(q.Instructions.items) == 0:
		return badRequest("input", "input is empty")
	}
	return q.Stop.check("stop")
}
