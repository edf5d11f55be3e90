package server

import (
	"context"
	"net/http"
	"slices"

	"expertfs/infer/tokenizer"
)

// completion is an answer, or one event of its stream.
type completion struct {
	ID          string             `json:"id"`
	Object      string             `json:"object"`
	Created     int64              `json:"created"`
	Model       string             `json:"model"`
	Fingerprint string             `json:"system_fingerprint"`
	Choices     []completionOutput `json:"choices"`
	Usage       *usage             `json:"usage,omitzero"`
	Timings     *timings           `json:"timings,omitzero"`
}

type completionOutput struct {
	Index    int                 `json:"index"`
	Text     string              `json:"text"`
	Logprobs *completionLogprobs `json:"logprobs"`
	Finish   *finish             `json:"finish_reason"`
}

// completionLogprobs has a value in each list for each token. The first token of
// a text has no probability.
type completionLogprobs struct {
	Tokens  []string             `json:"tokens"`
	Log     []*float64           `json:"token_logprobs"`
	Top     []map[string]float64 `json:"top_logprobs"`
	Offsets []int                `json:"text_offset"`
}

// completionAnswer writes the answer to a completion request.
type completionAnswer struct {
	s        *Server
	head     completion
	choices  []*completionChoice
	prompts  int // tokens of all prompts, each counted once
	stream   *stream
	streamed bool
	counting bool
}

// completionChoice is the reader of one choice: it decodes the tokens as they are.
type completionChoice struct {
	a      *completionAnswer
	index  int
	prompt []int
	echo   bool
	probs  bool        // are wanted
	given  []tokenProb // of the prompt, if they were asked for
	said   []tokenProb // of the answer
	sent   int         // of said
	stream *tokenizer.Stream
	bound  *binding // nil: the text is free
	stop   stopper
	text   []byte // of the answer so far
	echoed bool
	why    finish
}

func (c *completionChoice) next(int) (forced []int, mask []uint64, err error) {
	if c.bound != nil {
		forced, mask = c.bound.next()
	}
	return forced, mask, nil
}

func (c *completionChoice) push(p tokenProb) (int, bool, error) {
	if c.bound != nil {
		if _, err := c.bound.push(p.id); err != nil {
			return p.id, false, err
		}
	}
	if slices.Contains(c.a.s.Tokens.StopIDs(), p.id) {
		return p.id, false, nil
	}
	c.said = append(c.said, p)
	text, stopped := c.stop.push(c.stream.Push(p.id))
	return p.id, !stopped, c.add(text, nil)
}

func (c *completionChoice) end(why finish) (finish, error) {
	if c.stop.found == "" {
		text, stopped := c.stop.push(c.stream.Flush())
		if stopped {
			why = finishStop
		} else {
			text += c.stop.flush()
		}
		if err := c.add(text, nil); err != nil {
			return why, err
		}
	}
	c.why = why
	return why, c.add("", &why)
}

// add takes text of the answer, and of a stream sends it.
func (c *completionChoice) add(text string, why *finish) error {
	c.text = append(c.text, text...)
	if c.a.stream == nil || text == "" && why == nil {
		return nil
	}
	out := completionOutput{Index: c.index, Text: text, Finish: why}
	if c.probs {
		out.Logprobs = c.logprobs(c.said[c.sent:], len(c.text)-len(text))
		c.sent = len(c.said)
	}
	if c.echo && !c.echoed {
		c.echoed = true
		out.Text = c.echoText() + out.Text
		if c.probs {
			out.Logprobs = joinLogprobs(c.promptLogprobs(), out.Logprobs, len(c.echoText()))
		}
	}
	e := c.a.head
	e.Choices = []completionOutput{out}
	return c.a.stream.data(e)
}

func (c *completionChoice) echoText() string { return validText(c.a.s.Tokens.Decode(c.prompt)) }

func (c *completionChoice) whole() completionOutput {
	out := completionOutput{Index: c.index, Text: string(c.text), Finish: &c.why}
	if c.probs {
		out.Logprobs = c.logprobs(c.said, 0)
	}
	if c.echo {
		out.Text = c.echoText() + out.Text
		if c.probs {
			out.Logprobs = joinLogprobs(c.promptLogprobs(), out.Logprobs, len(c.echoText()))
		}
	}
	return out
}

// promptLogprobs are those of the prompt, whose first token has none.
func (c *completionChoice) promptLogprobs() *completionLogprobs {
	for i, id := range c.prompt {
		c.given[i].id = id
	}
	l := c.logprobs(c.given, 0)
	l.Log[0], l.Top[0] = nil, nil
	return l
}

// logprobs returns the lists for tokens that begin at an offset of the text.
func (c *completionChoice) logprobs(probs []tokenProb, offset int) *completionLogprobs {
	tokens := c.a.s.Tokens
	l := &completionLogprobs{Tokens: []string{}, Log: []*float64{}, Top: []map[string]float64{}, Offsets: []int{}}
	for _, p := range probs {
		text := tokens.Bytes(p.id)
		log := max(p.log, leastLog)
		top := map[string]float64{tokenName(tokens, p.id): log} // the token itself always, as OpenAI has it
		for _, t := range p.top {
			name := tokenName(tokens, t.id)
			if _, have := top[name]; !have { // the more probable of two that look alike
				top[name] = max(t.log, leastLog)
			}
		}
		l.Tokens, l.Log = append(l.Tokens, tokenName(tokens, p.id)), append(l.Log, &log)
		l.Top, l.Offsets = append(l.Top, top), append(l.Offsets, offset)
		offset += len(text)
	}
	return l
}

// tokenName shows a token; one that is no text by itself is shown by its bytes,
// as OpenAI does.
func tokenName(t *tokenizer.Tokenizer, id int) string {
	text := t.Bytes(id)
	if validText(text) == text {
		return text
	}
	const hex = "0123456789abcdef"
	name := []byte("bytes:")
	for i := range text {
		name = append(name, '\\', 'x', hex[text[i]>>4], hex[text[i]&15])
	}
	return string(name)
}

func joinLogprobs(a, b *completionLogprobs, offset int) *completionLogprobs {
	for i := range b.Offsets {
		b.Offsets[i] += offset
	}
	return &completionLogprobs{
		append(a.Tokens, b.Tokens...), append(a.Log, b.Log...), append(a.Top, b.Top...), append(a.Offsets, b.Offsets...),
	}
}

// serve computes the answer and writes it. It returns an error as long as nothing
// was written.
func (a *completionAnswer) serve(ctx context.Context, w http.ResponseWriter, j *job, texts []*text) error {
	if a.streamed {
		a.stream = a.s.openStream(w)
		defer a.stream.close()
	}
	err := j.run(ctx, texts, nil)
	if a.stream == nil {
		if err != nil {
			return err
		}
		all := a.head
		for _, c := range a.choices {
			all.Choices = append(all.Choices, c.whole())
		}
		all.Usage, all.Timings = newUsage(a.prompts, j.total, 0), j.timings()
		writeJSON(w, http.StatusOK, all)
		return nil
	}
	if err != nil {
		_ = a.stream.data(openAIError(asAPIError(err)))
		return nil
	}
	if a.counting {
		last := a.head
		last.Choices, last.Usage, last.Timings = []completionOutput{}, newUsage(a.prompts, j.total, 0), j.timings()
		_ = a.stream.data(last)
	}
	_ = a.stream.done()
	return nil
}
