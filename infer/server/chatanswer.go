package server

import (
	"context"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// chatCompletion is an answer, or one event of its stream.
type chatCompletion struct {
	ID          string          `json:"id"`
	Object      string          `json:"object"`
	Created     int64           `json:"created"`
	Model       string          `json:"model"`
	Fingerprint string          `json:"system_fingerprint"`
	Choices     []chatChoiceOut `json:"choices"`
	Usage       *usage          `json:"usage,omitzero"`
	Timings     *timings        `json:"timings,omitzero"`
}

type chatChoiceOut struct {
	Index    int           `json:"index"`
	Message  *chatReply    `json:"message,omitzero"`
	Delta    *chatDelta    `json:"delta,omitzero"`
	Logprobs *chatLogprobs `json:"logprobs"`
	Finish   *finish       `json:"finish_reason"`
}

// chatReply is the message of a whole answer.
type chatReply struct {
	Role             string        `json:"role"`
	Content          *string       `json:"content"`
	Refusal          *string       `json:"refusal"`
	Annotations      []struct{}    `json:"annotations"`
	Reasoning        string        `json:"reasoning,omitzero"`
	ReasoningContent string        `json:"reasoning_content,omitzero"`
	ToolCalls        []chatCallOut `json:"tool_calls,omitzero"`
}

// chatDelta is what an event adds to the message.
type chatDelta struct {
	Role             string         `json:"role,omitzero"`
	Content          jsontext.Value `json:"content,omitzero"`
	Reasoning        string         `json:"reasoning,omitzero"`
	ReasoningContent string         `json:"reasoning_content,omitzero"`
	ToolCalls        []chatCallOut  `json:"tool_calls,omitzero"`
}

type chatCallOut struct {
	Index    *int   `json:"index,omitzero"`
	ID       string `json:"id,omitzero"`
	Type     string `json:"type,omitzero"`
	Function struct {
		Name      string `json:"name,omitzero"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

type usage struct {
	Prompt        int `json:"prompt_tokens"`
	Completion    int `json:"completion_tokens"`
	Total         int `json:"total_tokens"`
	PromptDetails struct {
		Cached int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionDetails struct {
		Reasoning int `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

// newUsage counts a prompt, which several answers may share, once.
func newUsage(prompt int, o outcome, thoughts int) *usage {
	u := &usage{Prompt: prompt, Completion: o.generated, Total: prompt + o.generated}
	u.PromptDetails.Cached = min(o.reused, prompt)
	u.CompletionDetails.Reasoning = thoughts
	return u
}

// chatAnswer writes the answer to a chat request.
type chatAnswer struct {
	s        *Server
	head     chatCompletion
	choices  []*chatChoice
	stream   *stream // nil: the answer is written whole
	streamed bool
	counting bool // the stream ends with the usage
}

// chatChoice is the sink of one choice.
type chatChoice struct {
	a      *chatAnswer
	index  int
	turn   *turn
	why    finish
	said   bool // a text before this one
	calls  int
	probs  bool // are wanted
	reason bool // a thought before this one
}

func (s *Server) newChatAnswer(q *chatRequest, n int) *chatAnswer {
	a := &chatAnswer{s: s, streamed: q.Stream, counting: q.Stream && q.StreamOptions != nil && q.StreamOptions.IncludeUsage}
	a.head = chatCompletion{
		ID: newID("chatcmpl-"), Object: "chat.completion", Created: time.Now().Unix(), Model: s.Model, Fingerprint: s.fingerprint,
	}
	if q.Stream {
		a.head.Object += ".chunk"
	}
	for i := range n {
		a.choices = append(a.choices, &chatChoice{a: a, index: i, probs: q.alternatives() >= 0})
	}
	return a
}

// serve computes the answer and writes it. It returns an error as long as nothing
// was written.
func (a *chatAnswer) serve(ctx context.Context, w http.ResponseWriter, j *job, texts []*text) error {
	if a.streamed {
		a.stream = a.s.openStream(w)
		defer a.stream.close()
		for _, c := range a.choices {
			_ = c.open() // a client that has gone is noticed soon enough
		}
	}
	err := j.run(ctx, texts, func(i int, o outcome) error { return a.choices[i].finish(o.why) })
	if a.stream == nil {
		if err == nil {
			writeJSON(w, http.StatusOK, a.whole(j, len(texts[0].prompt)))
		}
		return err
	}
	if err != nil {
		_ = a.stream.data(openAIError(asAPIError(err)))
		return nil
	}
	if a.counting {
		last := a.head
		last.Choices, last.Usage, last.Timings = []chatChoiceOut{}, a.usage(j, len(texts[0].prompt)), j.timings()
		_ = a.stream.data(last)
	}
	_ = a.stream.done()
	return nil
}

func (a *chatAnswer) usage(j *job, prompt int) *usage {
	thoughts := 0
	for _, c := range a.choices {
		thoughts += c.turn.thoughts
	}
	return newUsage(prompt, j.total, thoughts)
}

func (a *chatAnswer) whole(j *job, prompt int) chatCompletion {
	all := a.head
	for _, c := range a.choices {
		all.Choices = append(all.Choices, c.whole())
	}
	all.Usage, all.Timings = a.usage(j, prompt), j.timings()
	return all
}

func (c *chatChoice) whole() chatChoiceOut {
	items := c.turn.items
	m := &chatReply{Role: "assistant", Annotations: []struct{}{}, Reasoning: joined(items, thought)}
	m.ReasoningContent = m.Reasoning
	for _, it := range callsOf(items) {
		out := chatCallOut{ID: it.id, Type: "function"}
		out.Function.Name, out.Function.Arguments = it.name, it.text.String()
		m.ToolCalls = append(m.ToolCalls, out)
	}
	if text := joined(items, saying); text != "" || m.ToolCalls == nil {
		m.Content = &text
	}
	out := chatChoiceOut{Index: c.index, Message: m, Finish: &c.why}
	if c.probs {
		out.Logprobs = &chatLogprobs{Content: []chatLogprob{}}
		for _, it := range items {
			if it.kind == saying {
				out.Logprobs.Content = append(out.Logprobs.Content, c.a.s.chatLogprobs(it.probs)...)
			}
		}
	}
	return out
}

// open sends the event that names the role. It comes before the prompt is read, so
// that a client sees at once that there will be an answer.
func (c *chatChoice) open() error {
	return c.event(&chatDelta{Role: "assistant", Content: jsontext.Value("null")}, nil, nil)
}

// event sends an event of the choice.
func (c *chatChoice) event(d *chatDelta, probs []tokenProb, why *finish) error {
	if c.a.stream == nil {
		return nil
	}
	e := c.a.head
	out := chatChoiceOut{Index: c.index, Delta: d, Finish: why}
	if c.probs && len(probs) > 0 {
		out.Logprobs = &chatLogprobs{Content: c.a.s.chatLogprobs(probs)}
	}
	e.Choices = []chatChoiceOut{out}
	return c.a.stream.data(e)
}

func (c *chatChoice) begin(it *item) error {
	if it.kind != calling {
		return nil
	}
	index := c.calls
	c.calls++
	out := chatCallOut{Index: &index, ID: it.id, Type: "function"}
	out.Function.Name = it.name
	return c.event(&chatDelta{ToolCalls: []chatCallOut{out}}, nil, nil)
}

func (c *chatChoice) add(it *item, text string, probs []tokenProb) error {
	first := it.text.Len() == len(text)
	switch it.kind {
	case calling:
		index := c.calls - 1
		out := chatCallOut{Index: &index}
		out.Function.Arguments = text
		return c.event(&chatDelta{ToolCalls: []chatCallOut{out}}, nil, nil)
	case thought:
		if first && c.reason {
			text = separator + text
		}
		c.reason = true
		return c.event(&chatDelta{Reasoning: text, ReasoningContent: text}, nil, nil)
	}
	if first && c.said {
		text = separator + text
	}
	c.said = true
	quoted, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		return err
	}
	return c.event(&chatDelta{Content: quoted}, probs, nil)
}

func (c *chatChoice) end(*item) error { return nil }

func (c *chatChoice) finish(why finish) error {
	c.why = why
	return c.event(&chatDelta{}, nil, &why)
}

// chatLogprobs are the probabilities of the tokens of an answer's content.
type chatLogprobs struct {
	Content []chatLogprob `json:"content"`
	Refusal *struct{}     `json:"refusal"`
}

type chatLogprob struct {
	Token   string        `json:"token"`
	Logprob float64       `json:"logprob"`
	Bytes   []int         `json:"bytes"`
	Top     []chatLogprob `json:"top_logprobs,omitzero"`
}

func (s *Server) chatLogprobs(probs []tokenProb) []chatLogprob {
	all := make([]chatLogprob, len(probs))
	for i, p := range probs {
		all[i] = s.chatLogprob(p)
		all[i].Top = []chatLogprob{}
		for _, t := range p.top {
			all[i].Top = append(all[i].Top, s.chatLogprob(t))
		}
	}
	return all
}

func (s *Server) chatLogprob(p tokenProb) chatLogprob {
	text := s.Tokens.Bytes(p.id)
	bytes := make([]int, len(text))
	for i := range text {
		bytes[i] = int(text[i])
	}
	return chatLogprob{Token: validText(text), Logprob: max(p.log, leastLog), Bytes: bytes}
}

// leastLog is the logarithm of a probability that is as good as none.
const leastLog = -9999
