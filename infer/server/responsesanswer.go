package server

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// response is an answer, as it is at its end or, in events, on its way.
type response struct {
	ID                string             `json:"id"`
	Object            string             `json:"object"`
	CreatedAt         int64              `json:"created_at"`
	CompletedAt       *int64             `json:"completed_at"`
	Status            string             `json:"status"`
	Background        bool               `json:"background"`
	Error             *responseError     `json:"error"`
	Incomplete        *incomplete        `json:"incomplete_details"`
	Instructions      jsontext.Value     `json:"instructions"`
	MaxOutputTokens   *integer           `json:"max_output_tokens"`
	MaxToolCalls      *integer           `json:"max_tool_calls"`
	Model             string             `json:"model"`
	Output            []*outputItem      `json:"output"`
	ParallelToolCalls bool               `json:"parallel_tool_calls"`
	Previous          *string            `json:"previous_response_id"`
	PromptCacheKey    *string            `json:"prompt_cache_key"`
	Reasoning         *responseReasoning `json:"reasoning"`
	SafetyIdentifier  *string            `json:"safety_identifier"`
	ServiceTier       string             `json:"service_tier"`
	Store             bool               `json:"store"`
	Temperature       float64            `json:"temperature"`
	TopP              float64            `json:"top_p"`
	PresencePenalty   float64            `json:"presence_penalty"`
	FrequencyPenalty  float64            `json:"frequency_penalty"`
	Text              *responseText      `json:"text"`
	ToolChoice        jsontext.Value     `json:"tool_choice"`
	Tools             []responsesTool    `json:"tools"`
	TopLogprobs       int                `json:"top_logprobs"`
	Truncation        string             `json:"truncation"`
	Usage             *responseUsage     `json:"usage"`
	User              *string            `json:"user"`
	Metadata          jsontext.Value     `json:"metadata"`
}

type responseError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type incomplete struct {
	Reason string `json:"reason"`
}

type responseReasoning struct {
	Effort  string  `json:"effort"`
	Summary *string `json:"summary"`
}

type responseText struct {
	Format    jsontext.Value `json:"format"`
	Verbosity string         `json:"verbosity"`
}

type responseUsage struct {
	Input        int `json:"input_tokens"`
	InputDetails struct {
		Cached int `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	Output        int `json:"output_tokens"`
	OutputDetails struct {
		Reasoning int `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	Total int `json:"total_tokens"`
}

// outputItem is a thought, a message or a call.
type outputItem struct {
	Type      string           `json:"type"`
	ID        string           `json:"id"`
	Status    string           `json:"status,omitzero"`
	Summary   *[]struct{}      `json:"summary,omitzero"` // of a thought, empty
	Role      string           `json:"role,omitzero"`
	Content   *[]outputContent `json:"content,omitzero"`
	CallID    string           `json:"call_id,omitzero"`
	Name      string           `json:"name,omitzero"`
	Arguments *string          `json:"arguments,omitzero"`
}

type outputContent struct {
	Type        string         `json:"type"`
	Text        string         `json:"text"`
	Annotations *[]struct{}    `json:"annotations,omitzero"`
	Logprobs    *[]chatLogprob `json:"logprobs,omitzero"`
}

// responseAnswer is the sink of a response, and writes it.
type responseAnswer struct {
	s            *Server
	turn         *turn
	body         response
	alternatives int // of each token; negative: no probabilities are wanted
	streamed     bool
	stream       *stream
	sequence     int
	out          []*outputItem // by the index of the turn's items
}

func (s *Server) newResponse(q *responsesRequest, c *conversation) *responseAnswer {
	a := &responseAnswer{s: s, streamed: q.Stream, alternatives: -1}
	if q.TopLogprobs != nil || slices.Contains(q.Include, "message.output_text.logprobs") {
		a.alternatives = int(or(q.TopLogprobs, 0))
	}
	a.body = response{
		ID: newID("resp_"), Object: "response", CreatedAt: time.Now().Unix(), Status: "in_progress", Model: s.Model,
		MaxOutputTokens: q.MaxOutputTokens, MaxToolCalls: q.MaxToolCalls, Output: []*outputItem{}, ParallelToolCalls: c.parallel,
		Instructions: orNull(q.Instructions.raw), PromptCacheKey: q.PromptCacheKey, SafetyIdentifier: q.SafetyIdentifier, ServiceTier: "default",
		Reasoning: &responseReasoning{Effort: string(c.effort)}, Temperature: or(q.Temperature, 1), TopP: or(q.TopP, 1),
		PresencePenalty: or(q.PresencePenalty, 0), FrequencyPenalty: or(q.FrequencyPenalty, 0),
		Text: &responseText{Format: jsontext.Value(`{"type":"text"}`), Verbosity: "medium"}, ToolChoice: jsontext.Value(`"auto"`),
		Tools: q.Tools, TopLogprobs: int(or(q.TopLogprobs, 0)), Truncation: or(q.Truncation, "disabled"), User: q.User,
		Metadata: jsontext.Value("{}"),
	}
	if q.Reasoning != nil {
		a.body.Reasoning.Summary = q.Reasoning.Summary
		if q.Reasoning.Effort != "" {
			a.body.Reasoning.Effort = q.Reasoning.Effort
		}
	}
	if !isNeutral(q.ToolChoice) {
		a.body.ToolChoice = q.ToolChoice
	}
	if !isNeutral(q.Metadata) {
		a.body.Metadata = q.Metadata
	}
	a.body.Text.set(q.Text)
	return a
}

// set gives back what the request says of the text.
func (t *responseText) set(q *responsesText) {
	if q == nil {
		return
	}
	t.Verbosity = or(q.Verbosity, t.Verbosity)
	f := q.Format
	if f == nil || f.Type == "" || f.Type == "text" {
		return
	}
	if f.Type == "json_object" {
		t.Format = jsontext.Value(`{"type":"json_object"}`)
		return
	}
	type schema struct {
		Type        string         `json:"type"`
		Name        string         `json:"name"`
		Description *string        `json:"description"`
		Schema      jsontext.Value `json:"schema"`
		Strict      bool           `json:"strict"`
	}
	v := schema{f.Type, f.Name, nil, orNull(f.Schema), f.Strict}
	if f.Description != "" {
		v.Description = &f.Description
	}
	t.Format = mustJSON(v)
}

// serve computes the answer and writes it. It returns an error as long as nothing
// was written.
func (a *responseAnswer) serve(ctx context.Context, w http.ResponseWriter, j *job, t *text) error {
	if a.streamed {
		a.stream = a.s.openStream(w)
		defer a.stream.close()
		_ = a.event("response.created", &responseEvent{Response: &a.body})
		_ = a.event("response.in_progress", &responseEvent{Response: &a.body})
	}
	err := j.run(ctx, []*text{t}, nil)
	if err != nil && a.stream == nil {
		return err
	}
	a.complete(j, len(t.prompt), err)
	a.s.recent.keep(a.body.Output)
	if a.stream == nil {
		writeJSON(w, http.StatusOK, a.body)
		return nil
	}
	_ = a.event("response."+a.body.Status, &responseEvent{Response: &a.body})
	_ = a.stream.done()
	return nil
}

// complete fills in what is known at the end.
func (a *responseAnswer) complete(j *job, prompt int, err error) {
	o, now := j.total, time.Now().Unix()
	u := &responseUsage{Input: prompt, Output: o.generated, Total: prompt + o.generated}
	u.InputDetails.Cached, u.OutputDetails.Reasoning = o.reused, a.turn.thoughts
	a.body.Usage = u
	switch {
	case err != nil:
		e := asAPIError(err)
		a.body.Status, a.body.Error = "failed", &responseError{or(e.Code, "server_error"), e.Message}
	case o.why == finishLength:
		a.body.Status, a.body.Incomplete = "incomplete", &incomplete{"max_output_tokens"}
	default:
		a.body.Status, a.body.CompletedAt = "completed", &now
	}
}

func (a *responseAnswer) begin(it *item) error {
	out := &outputItem{Status: "in_progress"}
	part := &outputContent{Type: "reasoning_text"}
	switch it.kind {
	case calling:
		empty := ""
		out.Type, out.ID, out.CallID, out.Name, out.Arguments = "function_call", newID("fc_"), it.id, it.name, &empty
		part = nil
	case thought:
		out.Type, out.ID, out.Summary, out.Content = "reasoning", newID("rs_"), &[]struct{}{}, &[]outputContent{}
	case saying:
		out.Type, out.ID, out.Role, out.Content = "message", newID("msg_"), "assistant", &[]outputContent{}
		part = &outputContent{Type: "output_text", Annotations: &[]struct{}{}, Logprobs: &[]chatLogprob{}}
	}
	a.out = append(a.out, out)
	if err := a.event("response.output_item.added", &responseEvent{Output: &it.index, Item: out}); err != nil || part == nil {
		return err
	}
	return a.event("response.content_part.added", a.at(it, &responseEvent{Part: part}))
}

// at says where in the answer an event belongs.
func (a *responseAnswer) at(it *item, e *responseEvent) *responseEvent {
	e.ItemID, e.Output = a.out[it.index].ID, &it.index
	if it.kind != calling {
		e.Content = new(int)
	}
	return e
}

func (a *responseAnswer) add(it *item, text string, probs []tokenProb) error {
	e := a.at(it, &responseEvent{Delta: &text})
	switch it.kind {
	case calling:
		return a.event("response.function_call_arguments.delta", e)
	case thought:
		return a.event("response.reasoning_text.delta", e)
	}
	logprobs := a.logprobs(probs)
	e.Logprobs = &logprobs
	return a.event("response.output_text.delta", e)
}

func (a *responseAnswer) logprobs(probs []tokenProb) []chatLogprob {
	if a.alternatives < 0 {
		return []chatLogprob{}
	}
	return a.s.chatLogprobs(probs)
}

func (a *responseAnswer) end(it *item) error {
	out, text := a.out[it.index], it.text.String()
	out.Status = "completed"
	if !it.whole && it.kind != thought {
		out.Status = "incomplete"
	}
	a.body.Output = a.out
	done := func() error {
		return a.event("response.output_item.done", &responseEvent{Output: &it.index, Item: out})
	}
	if it.kind == calling {
		out.Arguments = &text
		if err := a.event("response.function_call_arguments.done", a.at(it, &responseEvent{Arguments: &text, Name: it.name})); err != nil {
			return err
		}
		return done()
	}
	part, name := outputContent{Type: "reasoning_text", Text: text}, "response.reasoning_text.done"
	e := a.at(it, &responseEvent{Text: &text})
	if it.kind == saying {
		logprobs := a.logprobs(it.probs)
		part = outputContent{Type: "output_text", Text: text, Annotations: &[]struct{}{}, Logprobs: &logprobs}
		name, e.Logprobs = "response.output_text.done", &logprobs
	}
	out.Content = &[]outputContent{part}
	if err := a.event(name, e); err != nil {
		return err
	}
	if err := a.event("response.content_part.done", a.at(it, &responseEvent{Part: &part})); err != nil {
		return err
	}
	return done()
}

// responseEvent is an event of a stream. Each type has some of the fields.
type responseEvent struct {
	Type      string         `json:"type"`
	Sequence  int            `json:"sequence_number"`
	Response  *response      `json:"response,omitzero"`
	ItemID    string         `json:"item_id,omitzero"`
	Output    *int           `json:"output_index,omitzero"`
	Content   *int           `json:"content_index,omitzero"`
	Item      *outputItem    `json:"item,omitzero"`
	Part      *outputContent `json:"part,omitzero"`
	Delta     *string        `json:"delta,omitzero"`
	Text      *string        `json:"text,omitzero"`
	Logprobs  *[]chatLogprob `json:"logprobs,omitzero"`
	Name      string         `json:"name,omitzero"`
	Arguments *string        `json:"arguments,omitzero"`
}

func (a *responseAnswer) event(name string, e *responseEvent) error {
	if a.stream == nil {
		return nil
	}
	e.Type, e.Sequence = name, a.sequence
	a.sequence++
	return a.stream.event(name, e)
}
