package openai

import (
	"encoding/json"

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

// conversation returns the messages in the harmony format, after those that
// system gives for the effort.
func (r *chatRequest) conversation(system func(harmony.Effort) []harmony.Message) ([]harmony.Message, error) {
	effort := harmony.Medium
	if r.ReasoningEffort != "" {
		var err error
		if effort, err = harmony.ParseEffort(r.ReasoningEffort); err != nil {
			return nil, badRequest("reasoning_effort", "%v", err)
		}
	}
	all := system(effort)
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
			all = append(all, harmony.DeveloperMessage(text))
		case "user":
			all = append(all, harmony.Message{Header: harmony.Header{Role: harmony.User, Name: m.Name}, Content: text})
		case "assistant":
			all = append(all, harmony.Message{Header: harmony.Header{Role: harmony.Assistant, Channel: harmony.Final}, Content: text})
		default:
			return nil, badRequest("messages", "message %d: role %q is not supported", i, m.Role)
		}
	}
	return all, nil
}
