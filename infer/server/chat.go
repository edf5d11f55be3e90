package server

import (
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
)

// chatRequest is the body of POST /v1/chat/completions.
type chatRequest struct {
	sampling
	lengths
	Model             string             `json:"model"`
	Messages          []chatMessage      `json:"messages"`
	Stop              words              `json:"stop"`
	Stream            bool               `json:"stream"`
	StreamOptions     *streamOptions     `json:"stream_options"`
	N                 *integer           `json:"n"`
	Logprobs          bool               `json:"logprobs"`
	TopLogprobs       *integer           `json:"top_logprobs"`
	Tools             []chatTool         `json:"tools"`
	ToolChoice        jsontext.Value     `json:"tool_choice"`
	ParallelToolCalls *bool              `json:"parallel_tool_calls"`
	ResponseFormat    *chatFormat        `json:"response_format"`
	Grammar           string             `json:"grammar"`     // of llama-server, as is the next
	JSONSchema        jsontext.Value     `json:"json_schema"` // what the answer must follow
	ReasoningEffort   string             `json:"reasoning_effort"`
	Reasoning         *chatReasoning     `json:"reasoning"`
	TemplateKwargs    *chatTemplateKwarg `json:"chat_template_kwargs"`

	// Refused unless they ask for nothing.
	Modalities words          `json:"modalities"`
	Audio      jsontext.Value `json:"audio"`
	Functions  jsontext.Value `json:"functions"`

	Extra unnoticed `json:",embed"`
}

type streamOptions struct {
	IncludeUsage bool      `json:"include_usage"`
	Extra        unnoticed `json:",embed"`
}

type chatReasoning struct {
	Effort string    `json:"effort"`
	Extra  unnoticed `json:",embed"`
}

type chatTemplateKwarg struct {
	Effort string    `json:"reasoning_effort"`
	Extra  unnoticed `json:",embed"`
}

// chatMessage is one message of a request, as a client wrote it or as it got it
// from us or from others.
type chatMessage struct {
	Role             string     `json:"role"`
	Content          anyContent `json:"content"` // of a tool, any JSON
	Name             string     `json:"name"`
	Reasoning        content    `json:"reasoning"`
	ReasoningContent content    `json:"reasoning_content"`
	Refusal          string     `json:"refusal"`
	ToolCalls        []chatCall `json:"tool_calls"`
	ToolCallID       string     `json:"tool_call_id"`
	FunctionCall     *chatNamed `json:"function_call"`
	Extra            unnoticed  `json:",embed"`
}

type chatCall struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Function chatNamed `json:"function"`
	Custom   chatNamed `json:"custom"`
	Extra    unnoticed `json:",embed"`
}

// called returns the name and the arguments of the call. The text for a tool
// without a schema is its one argument, input.
func (c *chatCall) called() (name, arguments string) {
	if c.Type == "custom" {
		return c.Custom.Name, customArguments(c.Custom.Input)
	}
	return c.Function.Name, plainArguments(c.Function.Arguments)
}

type chatNamed struct {
	Name      string         `json:"name"`
	Arguments jsontext.Value `json:"arguments"`
	Input     string         `json:"input"` // of a tool without a schema
}

// chatTool has its fields in function, or beside the type as in Responses.
type chatTool struct {
	Type     string        `json:"type"`
	Function *functionTool `json:"function"`
	functionTool
	Extra unnoticed `json:",embed"`
}

type functionTool struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Parameters  jsontext.Value `json:"parameters"`
	Strict      bool           `json:"strict"`
}

type chatFormat struct {
	Type       string         `json:"type"`
	JSONSchema *schemaFormat  `json:"json_schema"`
	Schema     jsontext.Value `json:"schema"` // of llama-server, with json_object
	Extra      unnoticed      `json:",embed"`
}

type schemaFormat struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Schema      jsontext.Value `json:"schema"`
	Strict      bool           `json:"strict"`
}

// serveChat answers POST /v1/chat/completions.
func (s *Server) serveChat(w http.ResponseWriter, r *http.Request) {
	if err := s.chat(w, r); err != nil {
		writeError(w, openAIError, err)
	}
}

// chat returns an error as long as nothing was written.
func (s *Server) chat(w http.ResponseWriter, r *http.Request) error {
	var q chatRequest
	if err := s.decodeChat(w, r, &q); err != nil {
		return err
	}
	c, err := q.conversation(s)
	if err != nil {
		return err
	}
	n, err := counted(q.N)
	if err != nil {
		return err
	}
	ctx := r.Context()
	x, err := s.exchange(ctx, "messages", c, &q.sampling)
	if err != nil {
		return err
	}
	defer x.end()
	x.stops, x.logprobs = q.Stop, q.alternatives()
	if x.most, err = q.max(x.room(), x.room(), 1); err != nil {
		return err
	}
	if err := x.bind(ctx); err != nil {
		return err
	}
	a := s.newChatAnswer(&q, n)
	texts := make([]*text, n)
	for i, choice := range a.choices {
		if texts[i], choice.turn, err = x.text(choice, i); err != nil {
			return err
		}
	}
	shareOrigin(texts)
	return a.serve(ctx, w, x.job, texts)
}

// decodeChat reads and checks a request.
func (s *Server) decodeChat(w http.ResponseWriter, r *http.Request, q *chatRequest) error {
	if err := s.decode(w, r, q); err != nil {
		return err
	}
	return q.check(s)
}

func (q *chatRequest) check(s *Server) error {
	if s.Chat == nil {
		return badRequest("", "the model %s has no chat format", s.Model)
	}
	if err := s.checkModel(q.Model); err != nil {
		return err
	}
	if err := refuse("", q.Extra, inRequests, "response_format, json_schema or grammar"); err != nil {
		return err
	}
	s.notice("", q.Extra)
	for _, m := range q.Modalities {
		if m != "text" {
			return badRequest("modalities", "modalities: %q is not supported, only text", shorten(m))
		}
	}
	switch {
	case len(q.Messages) == 0:
		return badRequest("messages", "messages is empty")
	case !isNeutral(q.Audio, "{}") && len(q.Modalities) > 1:
		return unsupported("audio")
	case !isNeutral(q.Functions, "[]"):
		return badRequest("functions", "functions is not supported: tools has taken its place").withCode("unsupported_parameter")
	case or(q.TopLogprobs, 0) < 0 || or(q.TopLogprobs, 0) > mostLogprobs:
		return badRequest("top_logprobs", "top_logprobs %d: must be from 0 to %d", *q.TopLogprobs, mostLogprobs)
	}
	if q.StreamOptions != nil {
		s.notice("stream_options", q.StreamOptions.Extra)
	}
	return q.Stop.check("stop")
}

// alternatives is how many alternatives of each token are wanted, or -1.
func (q *chatRequest) alternatives() int {
	if q.Logprobs || or(q.TopLogprobs, 0) > 0 {
		return int(or(q.TopLogprobs, 0))
	}
	return -1
}
