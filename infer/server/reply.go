package server

import (
	"encoding/json"
	"net/http"
	"strings"
)

// delta is a piece of a reply.
type delta struct {
	Role      string  `json:"role,omitempty"`
	Content   *string `json:"content,omitempty"`
	Reasoning string  `json:"reasoning_content,omitempty"`
}

type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

// completion is an answer of either kind, or one event of its stream.
type completion struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"`
	Model   string   `json:"model"`
	Choices []choice `json:"choices"`
	Usage   *usage   `json:"usage,omitempty"`
}

// choice holds Message in a chat, Delta in an event of a chat, and Text in
// a completion and its events.
type choice struct {
	Index        int       `json:"index"`
	Message      *delta    `json:"message,omitempty"`
	Delta        *delta    `json:"delta,omitempty"`
	Text         *string   `json:"text,omitempty"`
	Logprobs     *struct{} `json:"logprobs"`
	FinishReason *string   `json:"finish_reason"`
}

// reply writes one answer, whole at its end or piece by piece.
type reply struct {
	w        http.ResponseWriter
	head     completion // what all events have in common
	chat     bool
	stream   bool
	counting bool // the stream ends with the usage
	begun    bool // something was written

	content, reasoning strings.Builder // of an answer that is written whole
}

// add takes a piece of the answer. The error says that the client has gone.
func (r *reply) add(content, reasoning string) error {
	if content == "" && reasoning == "" {
		return nil
	}
	if !r.stream {
		r.content.WriteString(content)
		r.reasoning.WriteString(reasoning)
		return nil
	}
	if err := r.begin(); err != nil {
		return err
	}
	if !r.chat {
		return r.event(choice{Text: &content})
	}
	d := delta{Reasoning: reasoning}
	if content != "" {
		d.Content = &content
	}
	return r.event(choice{Delta: &d})
}

// begin opens the stream, with an event that only names the role in a chat.
func (r *reply) begin() error {
	if r.begun {
		return nil
	}
	r.begun = true
	r.w.Header().Set("Content-Type", "text/event-stream")
	r.w.Header().Set("Cache-Control", "no-cache")
	if !r.chat {
		return nil
	}
	empty := ""
	return r.event(choice{Delta: &delta{Role: "assistant", Content: &empty}})
}

// end writes what is left of the answer.
func (r *reply) end(reason string, u usage) error {
	if !r.stream {
		text := r.content.String()
		c := choice{FinishReason: &reason}
		if r.chat {
			c.Message = &delta{Role: "assistant", Content: &text, Reasoning: r.reasoning.String()}
		} else {
			c.Text = &text
		}
		whole := r.head
		whole.Choices, whole.Usage = []choice{c}, &u
		writeJSON(r.w, http.StatusOK, whole)
		return nil
	}
	if err := r.begin(); err != nil {
		return err
	}
	last := choice{FinishReason: &reason}
	if r.chat {
		last.Delta = &delta{}
	} else {
		last.Text = new(string)
	}
	if err := r.event(last); err != nil {
		return err
	}
	if r.counting {
		counts := r.head
		counts.Choices, counts.Usage = []choice{}, &u
		if err := r.data(counts); err != nil {
			return err
		}
	}
	return r.line("[DONE]")
}

// fail reports an error, as the status if nothing was written so far and else
// as the last event.
func (r *reply) fail(err error) {
	if r.begun {
		_ = r.data(errorBody{asAPIError(err)})
		return
	}
	writeError(r.w, err)
}

func (r *reply) event(c choice) error {
	e := r.head
	e.Choices = []choice{c}
	return r.data(e)
}

func (r *reply) data(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return r.line(string(b))
}

func (r *reply) line(text string) error {
	if _, err := r.w.Write([]byte("data: " + text + "\n\n")); err != nil {
		return err
	}
	return http.NewResponseController(r.w).Flush()
}
