package server

import (
	"context"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
)

// messageReply is an answer of Anthropic's API.
type messageReply struct {
	ID           string        `json:"id"`
	Type         string        `json:"type"`
	Role         string        `json:"role"`
	Model        string        `json:"model"`
	Content      []blockOut    `json:"content"`
	StopReason   *string       `json:"stop_reason"`
	StopSequence *string       `json:"stop_sequence"`
	Usage        messagesUsage `json:"usage"`
}

type messagesUsage struct {
	Input         int `json:"input_tokens"` // of the prompt, computed
	CacheRead     int `json:"cache_read_input_tokens"`
	CacheCreation int `json:"cache_creation_input_tokens"`
	Output        int `json:"output_tokens"`
}

// blockOut is a text, a thought or a call.
type blockOut struct {
	Type      string         `json:"type"`
	Text      *string        `json:"text,omitzero"`
	Thinking  *string        `json:"thinking,omitzero"`
	Signature *string        `json:"signature,omitzero"`
	ID        string         `json:"id,omitzero"`
	Name      string         `json:"name,omitzero"`
	Input     jsontext.Value `json:"input,omitzero"`
}

// messagesAnswer is the sink of an answer, and writes it.
type messagesAnswer struct {
	s        *Server
	turn     *turn
	id       string
	thoughts bool // are shown
	streamed bool
	stream   *stream
	blocks   int // that were begun
}

// serve computes the answer and writes it. It returns an error as long as nothing
// was written.
func (a *messagesAnswer) serve(ctx context.Context, w http.ResponseWriter, j *job, t *text) error {
	if a.streamed {
		a.stream = a.s.openStream(w)
		defer a.stream.close()
		begin := a.reply()
		begin.Usage.Input = len(t.prompt)
		_ = a.event("message_start", map[string]any{"message": begin})
	}
	err := j.run(ctx, []*text{t}, nil)
	if err != nil {
		if a.stream != nil {
			_ = a.stream.event("error", anthropicError(asAPIError(err)))
			return nil
		}
		return err
	}
	whole := a.reply()
	whole.Usage = messagesUsage{Input: len(t.prompt) - j.total.reused, CacheRead: j.total.reused, Output: j.total.generated}
	reason := a.reason(j.total.why)
	whole.StopReason = &reason
	if stop := a.turn.stopString(); stop != "" {
		whole.StopSequence = &stop
	}
	if a.stream == nil {
		for _, it := range a.turn.items {
			if it.kind != thought || a.thoughts {
				whole.Content = append(whole.Content, wholeBlock(it))
			}
		}
		writeJSON(w, http.StatusOK, whole)
		return nil
	}
	_ = a.event("message_delta", map[string]any{
		"delta": map[string]any{"stop_reason": whole.StopReason, "stop_sequence": whole.StopSequence}, "usage": whole.Usage,
	})
	_ = a.event("message_stop", map[string]any{})
	return nil
}

func (a *messagesAnswer) reply() messageReply {
	return messageReply{ID: a.id, Type: "message", Role: "assistant", Model: a.s.Model, Content: []blockOut{}}
}

// reason is why the answer ended, in Anthropic's words.
func (a *messagesAnswer) reason(why finish) string {
	switch {
	case why == finishCalls:
		return "tool_use"
	case why == finishLength:
		return "max_tokens"
	case a.turn.stopString() != "":
		return "stop_sequence"
	}
	return "end_turn"
}

func wholeBlock(it *item) blockOut {
	text := it.text.String()
	switch it.kind {
	case thought:
		return blockOut{Type: "thinking", Thinking: &text, Signature: new(string)}
	case calling:
		input := jsontext.Value(text)
		if !input.IsValid() || input.Kind() != '{' {
			// What is no object cannot be said otherwise.
			quoted, _ := jsontext.AppendQuote(nil, text)
			input = jsontext.Value(`{"input":` + string(quoted) + `}`)
			if text == "" {
				input = jsontext.Value("{}")
			}
		}
		return blockOut{Type: "tool_use", ID: it.id, Name: it.name, Input: input}
	}
	return blockOut{Type: "text", Text: &text}
}

// event sends an event, whose data name its type too.
func (a *messagesAnswer) event(name string, fields map[string]any) error {
	if a.stream == nil {
		return nil
	}
	fields["type"] = name
	return a.stream.event(name, fields)
}

// hidden tells whether an item is not for the client.
func (a *messagesAnswer) hidden(it *item) bool { return it.kind == thought && !a.thoughts }

func (a *messagesAnswer) begin(it *item) error {
	if a.hidden(it) {
		return nil
	}
	a.blocks++
	empty := ""
	b := blockOut{Type: "text", Text: &empty}
	switch it.kind {
	case thought:
		b = blockOut{Type: "thinking", Thinking: &empty, Signature: &empty}
	case calling:
		b = blockOut{Type: "tool_use", ID: it.id, Name: it.name, Input: jsontext.Value("{}")}
	}
	return a.event("content_block_start", map[string]any{"index": a.blocks - 1, "content_block": b})
}

func (a *messagesAnswer) add(it *item, text string, _ []tokenProb) error {
	if a.hidden(it) {
		return nil
	}
	delta := map[string]string{"type": "text_delta", "text": text}
	switch it.kind {
	case thought:
		delta = map[string]string{"type": "thinking_delta", "thinking": text}
	case calling:
		delta = map[string]string{"type": "input_json_delta", "partial_json": text}
	}
	return a.event("content_block_delta", map[string]any{"index": a.blocks - 1, "delta": delta})
}

func (a *messagesAnswer) end(it *item) error {
	if a.hidden(it) {
		return nil
	}
	if it.kind == thought {
		delta := map[string]string{"type": "signature_delta", "signature": ""}
		if err := a.event("content_block_delta", map[string]any{"index": a.blocks - 1, "delta": delta}); err != nil {
			return err
		}
	}
	return a.event("content_block_stop", map[string]any{"index": a.blocks - 1})
}
