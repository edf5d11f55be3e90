package server

import (
	"encoding/json"
	"net/http"

	"expertfs/infer/harmony"
)

// chatRequest is the body of /v1/chat/completions.
type chatRequest struct {
	common
	Messages            []chatMessage `json:"messages"`
	MaxCompletionTokens *int          `json:"max_completion_tokens"`
	ReasoningEffort     string        `json:"reasoning_effort"`

	// Accepted only with the values that change nothing.
	TopLogprobs    json.RawMessage `json:"top_logprobs"`
	Tools          json.RawMessage `json:"tools"`
	ToolChoice     json.RawMessage `json:"tool_choice"`
	ResponseFormat json.RawMessage `json:"response_format"`
}

// chatMessage is one message of a request. The reasoning of an earlier reply
// may come back with it and is left out, as the format wants it.
type chatMessage struct {
	Role             string          `json:"role"`
	Content          content         `json:"content"`
	Name             string          `json:"name"`
	ReasoningContent string          `json:"reasoning_content"`
	Refusal          json.RawMessage `json:"refusal"`
	ToolCalls        json.RawMessage `json:"tool_calls"`
}

// content is a text, or a list of parts that are texts.
type content string

func (c *content) UnmarshalJSON(data []byte) error {
	if data[0] != '[' {
		return json.Unmarshal(data, (*string)(c))
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	*c = ""
	for _, p := range parts {
		if p.Type != "text" {
			return badRequest("messages", "content of type %q is not supported, only text", p.Type)
		}
		*c += content(p.Text)
	}
	return nil
}

func (r *chatRequest) check() error {
	if err := checkMaxTokens("max_completion_tokens", r.MaxCompletionTokens); err != nil {
		return err
	}
	if r.MaxTokens == nil {
		r.MaxTokens = r.MaxCompletionTokens
	}
	if err := r.common.check(); err != nil {
		return err
	}
	switch {
	case len(r.Messages) == 0:
		return badRequest("messages", "messages is empty")
	case !isNeutral(r.TopLogprobs, "0"):
		return unsupported("top_logprobs")
	case !isNeutral(r.Tools, "[]"):
		return unsupported("tools")
	case !isNeutral(r.ToolChoice, `"none"`, `"auto"`):
		return unsupported("tool_choice")
	case !isNeutral(r.ResponseFormat, `{"type":"text"}`):
		return unsupported("response_format")
	}
	return nil
}

// conversation translates the request.
func (r *chatRequest) conversation() (*conversation, error) {
	c := &conversation{effort: harmony.Medium}
	if r.ReasoningEffort != "" {
		var err error
		if c.effort, err = harmony.ParseEffort(r.ReasoningEffort); err != nil {
			return nil, badRequest("reasoning_effort", "%v", err)
		}
	}
	for i, m := range r.Messages {
		if !isNeutral(m.ToolCalls, "[]") {
			return nil, unsupported("tool_calls")
		}
		if !isNeutral(m.Refusal) {
			return nil, unsupported("refusal")
		}
		text := string(m.Content)
		switch m.Role {
		case "system", "developer":
			c.messages = append(c.messages, harmony.DeveloperMessage(text))
		case "user":
			c.messages = append(c.messages, harmony.Message{Header: harmony.Header{Role: harmony.User, Name: m.Name}, Content: text})
		case "assistant":
			c.messages = append(c.messages, harmony.Message{Header: harmony.Header{Role: harmony.Assistant, Channel: harmony.Final}, Content: text})
		default:
			return nil, badRequest("messages", "message %d: role %q is not supported", i, m.Role)
		}
	}
	return c, nil
}

// serveChat answers POST /v1/chat/completions.
func (s *Server) serveChat(w http.ResponseWriter, r *http.Request) {
	var q chatRequest
	prompt, err := s.chatPrompt(w, r, &q)
	if err != nil {
		writeError(w, err)
		return
	}
	most := s.Engine.Context() - len(prompt)
	s.answer(r.Context(), &job{
		common: &q.common,
		prompt: prompt,
		max:    min(most, or(q.MaxTokens, most)),
		reader: chatReader{s.Chat.NewParser()},
		reply:  s.newReply(w, &q.common, true),
	})
}

// chatPrompt reads and checks the request and returns its tokens.
func (s *Server) chatPrompt(w http.ResponseWriter, r *http.Request, q *chatRequest) ([]int, error) {
	if s.Chat == nil {
		return nil, badRequest("", "the model %s has no chat format", s.Model)
	}
	if err := s.decode(w, r, q); err != nil {
		return nil, err
	}
	if err := s.checkModel(q.Model); err != nil {
		return nil, err
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	c, err := q.conversation()
	if err != nil {
		return nil, err
	}
	prompt, err := s.prompt(c)
	if err != nil {
		return nil, err
	}
	return prompt, s.checkLength("messages", prompt)
}

// chatReader reads messages of the assistant. Calls of tools, which no request
// can have offered, are not shown.
type chatReader struct{ parser *harmony.Parser }

func (c chatReader) push(id int) (content, reasoning string, err error) {
	text, err := c.parser.Push(id)
	content, reasoning = c.sort(text)
	return content, reasoning, err
}

func (c chatReader) finish() (content, reasoning string) {
	return c.sort(c.parser.Finish())
}

func (c chatReader) sort(text string) (content, reasoning string) {
	switch h := c.parser.Header(); {
	case h.Channel == harmony.Analysis:
		return "", text
	case h.Recipient != "":
		return "", ""
	}
	return text, ""
}
