package server

import (
	"context"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"expertfs/infer/tokenizer"

	"github.com/go-json-experiment/json/jsontext"
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
	Tokens  []string       `json:"tokens"`
	Log     []*float64     `json:"token_logprobs"`
	Top     []alternatives `json:"top_logprobs"`
	Offsets []int          `json:"text_offset"`
}

// alternatives are the tokens that might stand in one place, the most probable first,
// as OpenAI has it, and the one that stands there. They are written as one object;
// nil is null.
type alternatives []alternative

type alternative struct {
	name string
	log  float64
}

func (a alternatives) has(name string) bool {
	return slices.ContainsFunc(a, func(one alternative) bool { return one.name == name })
}

func (a alternatives) MarshalJSONTo(e *jsontext.Encoder) error {
	if a == nil {
		return e.WriteToken(jsontext.Null)
	}
	tokens := []jsontext.Token{jsontext.BeginObject}
	for _, one := range a {
		tokens = append(tokens, jsontext.String(one.name), jsontext.Float(one.log))
	}
	for _, t := range append(tokens, jsontext.EndObject) {
		if err := e.WriteToken(t); err != nil {
			return err
		}
	}
	return nil
}

// completionAnswer writes the answer to a completion request.
type completionAnswer struct {
	s        *Server
	shape    completionShape
	choices  []*completionChoice
	prompts  int // tokens of all prompts, each counted once
	stream   *stream
	streamed bool
}

// completionShape is the form of an answer. What is nil is not sent.
type completionShape interface {
	// event tells of text that a choice has got, and of why it has ended if it has.
	event(c *completionChoice, text string, why *finish) any
	// ended tells what a choice has come to, when all of its events are told.
	ended(c *completionChoice) any
	// whole is the answer in one piece.
	whole(a *completionAnswer, j *job) any
	// end ends a stream.
	end(a *completionAnswer, j *job)
}

// openAICompletion is the form of OpenAI's API.
type openAICompletion struct {
	head     completion
	counting bool // the stream tells the usage
}

func (s *Server) openAICompletion(q *completionRequest) *openAICompletion {
	return &openAICompletion{
		head:     completion{ID: newID("cmpl-"), Object: "text_completion", Created: time.Now().Unix(), Model: s.Model, Fingerprint: s.fingerprint},
		counting: q.StreamOptions != nil && q.StreamOptions.IncludeUsage,
	}
}

func (o *openAICompletion) event(c *completionChoice, text string, why *finish) any {
	out := completionOutput{Index: c.index, Text: text, Finish: why}
	if c.probs {
		out.Logprobs, c.offset = c.logprobs(c.unsent(), c.offset)
	}
	if c.echo && !c.echoed {
		c.echoed = true
		out.Text = c.echoText() + out.Text
		if c.probs {
			out.Logprobs = joinLogprobs(c.promptLogprobs(), out.Logprobs)
		}
	}
	e := o.head
	e.Choices = []completionOutput{out}
	return e
}

func (o *openAICompletion) ended(*completionChoice) any { return nil }

func (o *openAICompletion) whole(a *completionAnswer, j *job) any {
	all := o.head
	for _, c := range a.choices {
		all.Choices = append(all.Choices, c.whole())
	}
	all.Usage, all.Timings = newUsage(a.prompts, j.total, 0), j.timings()
	return all
}

func (o *openAICompletion) end(a *completionAnswer, j *job) {
	if o.counting {
		last := o.head
		last.Choices, last.Usage, last.Timings = []completionOutput{}, newUsage(a.prompts, j.total, 0), j.timings()
		_ = a.stream.data(last)
	}
	_ = a.stream.done()
}

// completionChoice is the reader of one choice: it decodes the tokens as they are.
type completionChoice struct {
	a      *completionAnswer
	index  int
	prompt []int
	echo   bool
	probs  bool        // are wanted
	given  []tokenProb // of the prompt, if they were asked for
	failed error       // why a token of the prompt has no probability
	said   []tokenProb // of the answer
	sent   int         // of said
	offset int         // of the first that is not sent
	stream *tokenizer.Stream
	bound  *binding // nil: the text is free
	stop   stopper
	text   []byte // of the answer so far
	echoed bool
	came   outcome // of the choice, when it has ended
}

func (c *completionChoice) next(int) (forced []int, mask []uint64, err error) {
	if c.bound != nil {
		forced, mask = c.bound.next()
	}
	return forced, mask, c.failed
}

func (c *completionChoice) push(p tokenProb) (int, bool, error) {
	if c.bound != nil {
		if _, err := c.bound.push(p.id); err != nil {
			return p.id, false, err
		}
	}
	if slices.Contains(c.a.s.Tokens.StopIDs(), p.id) {
		if c.probs { // harnesses take the last token for one of the answer, and would drop one of the prompt
			c.said = append(c.said, p)
		}
		return p.id, false, nil
	}
	c.said = append(c.said, p)
	text, stopped := c.stop.push(c.stream.Push(p.id))
	return p.id, !stopped, c.add(text, nil)
}

func (c *completionChoice) end(why finish) (finish, error) {
	if c.failed != nil {
		return why, c.failed
	}
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
	return why, c.add("", &why)
}

// add takes text of the answer, and of a stream sends it.
func (c *completionChoice) add(text string, why *finish) error {
	c.text = append(c.text, text...)
	if c.a.stream == nil || text == "" && why == nil {
		return nil
	}
	return c.send(c.a.shape.event(c, text, why))
}

func (c *completionChoice) send(event any) error {
	if c.a.stream == nil || event == nil {
		return nil
	}
	return c.a.stream.data(event)
}

// unsent are the tokens of which no event has told yet; now it does.
func (c *completionChoice) unsent() []tokenProb {
	said := c.said[c.sent:]
	c.sent = len(c.said)
	return said
}

func (c *completionChoice) echoText() string { return validText(c.a.s.Tokens.Decode(c.prompt)) }

func (c *completionChoice) whole() completionOutput {
	out := completionOutput{Index: c.index, Text: string(c.text), Finish: &c.came.why}
	if c.probs {
		out.Logprobs, _ = c.logprobs(c.said, c.first())
	}
	if c.echo {
		out.Text = c.echoText() + out.Text
		if c.probs {
			out.Logprobs = joinLogprobs(c.promptLogprobs(), out.Logprobs)
		}
	}
	return out
}

// promptLogprobs are those of the prompt, whose first token has none.
func (c *completionChoice) promptLogprobs() *completionLogprobs {
	for i, id := range c.prompt {
		c.given[i].id = id
	}
	l, _ := c.logprobs(c.given, 0)
	l.Log[0], l.Top[0] = nil, nil
	return l
}

// logprobs returns the lists for tokens that begin at an offset of the text, and the
// offset behind them. Offsets count characters.
func (c *completionChoice) logprobs(probs []tokenProb, offset int) (*completionLogprobs, int) {
	tokens := c.a.s.Tokens
	l := &completionLogprobs{Tokens: []string{}, Log: []*float64{}, Top: []alternatives{}, Offsets: []int{}}
	for _, p := range probs {
		log := max(p.log, leastLog)
		own := alternative{tokenName(tokens, p.id), log}
		top := alternatives{}
		for _, t := range p.top {
			one := alternative{tokenName(tokens, t.id), max(t.log, leastLog)}
			if one.name == own.name { // of several that look alike the one that stands there
				one = own
			}
			if !top.has(one.name) {
				top = append(top, one)
			}
		}
		if !top.has(own.name) {
			top = append(top, own)
		}
		l.Tokens, l.Log = append(l.Tokens, own.name), append(l.Log, &log)
		l.Top, l.Offsets = append(l.Top, top), append(l.Offsets, offset)
		offset += characters(tokens.Bytes(p.id))
	}
	return l, offset
}

// first is the offset at which the answer begins.
func (c *completionChoice) first() int {
	if c.echo && c.probs {
		return characters(c.echoText())
	}
	return 0
}

// characters is how many characters begin in a text.
func characters(text string) int {
	n := 0
	for i := range len(text) {
		if utf8.RuneStart(text[i]) {
			n++
		}
	}
	return n
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

func joinLogprobs(a, b *completionLogprobs) *completionLogprobs {
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
		_ = a.stream.send(": reading the prompt\n\n") // other endpoints have an event to begin with
	}
	err := j.run(ctx, texts, func(i int, o outcome) error {
		c := a.choices[i]
		c.came = o
		return c.send(a.shape.ended(c))
	})
	switch {
	case a.stream == nil && err != nil:
		return err
	case a.stream == nil:
		writeJSON(w, http.StatusOK, a.shape.whole(a, j))
	case err != nil:
		_ = a.stream.data(openAIError(asAPIError(err)))
	default:
		a.shape.end(a, j)
	}
	return nil
}
