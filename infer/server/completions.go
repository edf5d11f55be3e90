package server

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net/http"

	"expertfs/infer/grammar"
	"expertfs/infer/tokenizer"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// completionRequest is the body of POST /v1/completions.
type completionRequest struct {
	sampling
	lengths
	Model         string         `json:"model"`
	Prompt        prompts        `json:"prompt"`
	Stop          words          `json:"stop"`
	Stream        bool           `json:"stream"`
	StreamOptions *streamOptions `json:"stream_options"`
	N             *integer       `json:"n"`
	BestOf        *integer       `json:"best_of"`
	Echo          bool           `json:"echo"`
	Logprobs      *integer       `json:"logprobs"` // alternatives of each token
	Suffix        string         `json:"suffix"`   // refused
	Grammar       string         `json:"grammar"`  // of llama-server, as is the next
	JSONSchema    jsontext.Value `json:"json_schema"`
	Extra         unnoticed      `json:",embed"`
}

// prompts are texts or lists of token ids.
type prompts []prompt

type prompt struct {
	text string
	ids  []int // nil: the text is meant
	bare bool  // the ids stand for themselves, and not in a list of prompts
}

func (p *prompts) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case 'n':
		return d.SkipValue()
	case '"':
		*p = make(prompts, 1)
		return json.UnmarshalDecode(d, &(*p)[0].text)
	case '[':
		// One prompt of ids, as soon as there is a number; else a list of prompts.
		return readList(d, mostIDs, func() error {
			if d.PeekKind() == '0' && (len(*p) == 0 || (*p)[0].bare) {
				if len(*p) == 0 {
					*p = prompts{{bare: true}}
				}
				return (*p)[0].readID(d)
			}
			if len(*p) == mostPrompts {
				return badRequest("prompt", "prompt has more than %d entries", mostPrompts)
			}
			if len(*p) > 0 && (*p)[0].bare {
				return badRequest("prompt", "prompt[%d] is not a token id, as those before it are", len((*p)[0].ids))
			}
			*p = append(*p, prompt{})
			return (*p)[len(*p)-1].read(d, len(*p)-1)
		})
	}
	return badRequest("prompt", "prompt is neither a string, nor a list of token ids, nor a list of these")
}

// read reads a text or a list of ids that is not empty: entry i of a list.
func (p *prompt) read(d *jsontext.Decoder, i int) error {
	switch d.PeekKind() {
	case '"':
		return json.UnmarshalDecode(d, &p.text)
	case '[':
		err := readList(d, mostIDs, func() error { return p.readID(d) })
		if err == nil && len(p.ids) == 0 {
			err = badRequest("prompt", "prompt[%d] is empty", i)
		}
		return err
	}
	return badRequest("prompt", "prompt[%d] is neither a string nor a list of token ids", i)
}

func (p *prompt) readID(d *jsontext.Decoder) error {
	var id integer
	err := json.UnmarshalDecode(d, &id)
	p.ids = append(p.ids, int(id))
	return err
}

// defaultMaxTokens is what the API documents for requests without max_tokens.
const defaultMaxTokens = 16

// serveCompletion answers POST /v1/completions.
func (s *Server) serveCompletion(w http.ResponseWriter, r *http.Request) {
	var q completionRequest
	err := s.decode(w, r, &q)
	if err == nil {
		err = s.complete(r.Context(), w, &q, completionKind{most: defaultMaxTokens, shape: s.openAICompletion(&q)})
	}
	if err != nil {
		writeError(w, openAIError, err)
	}
}

// completionKind is in what endpoints that continue texts differ.
type completionKind struct {
	most  int             // tokens, where the request does not say; 0: the room
	names bool            // the prompt may name special tokens
	shape completionShape // of the answer
}

// complete returns an error as long as nothing was written.
func (s *Server) complete(ctx context.Context, w http.ResponseWriter, q *completionRequest, kind completionKind) error {
	if err := q.check(s); err != nil {
		return err
	}
	n, err := counted(q.N)
	if err != nil {
		return err
	}
	if len(q.Prompt)*n > mostPrompts {
		return badRequest("n", "%d prompts with n %d make more than %d choices", len(q.Prompt), n, mostPrompts)
	}
	j, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer j.end()
	if err := q.sampling.check(j.engine.Vocab()); err != nil {
		return err
	}
	bound, err := s.completionForm(ctx, q)
	if err != nil {
		return err
	}
	a := &completionAnswer{s: s, shape: kind.shape, streamed: q.Stream}
	var texts []*text
	for _, p := range q.Prompt {
		ids, err := j.encode(ctx, "prompt", s.encodePrompt(p, kind.names, j.engine.Vocab()))
		if err != nil {
			return err
		}
		room := j.engine.Context() - len(ids)
		most, err := q.max(room, cmp.Or(kind.most, room), 0)
		if err != nil {
			return err
		}
		a.prompts += len(ids)
		first := len(texts)
		for i := range n {
			t, err := s.completionText(q, a, bound, ids, most, i)
			if err != nil {
				return err
			}
			texts = append(texts, t)
		}
		shareOrigin(texts[first:])
	}
	return a.serve(ctx, w, j, texts)
}

func (q *completionRequest) check(s *Server) error {
	if err := s.checkModel(q.Model); err != nil {
		return err
	}
	if err := refuse("", q.Extra, inRequests, "json_schema or grammar"); err != nil {
		return err
	}
	s.notice("", q.Extra)
	switch {
	case len(q.Prompt) == 0:
		return badRequest("prompt", "prompt is empty")
	case q.Grammar != "" && !isNeutral(q.JSONSchema):
		return format{field: "json_schema", kind: formatSchema}.without("grammar")
	case q.Suffix != "":
		return unsupported("suffix")
	case q.BestOf != nil && *q.BestOf > or(q.N, 1):
		return unsupported("best_of")
	case or(q.Logprobs, 0) < 0 || or(q.Logprobs, 0) > mostLogprobs:
		return badRequest("logprobs", "logprobs %d: must be from 0 to %d", *q.Logprobs, mostLogprobs)
	}
	return q.Stop.check("stop")
}

// format is the form that the answer must have.
func (q *completionRequest) format() format {
	switch {
	case q.Grammar != "":
		return format{field: "grammar", kind: formatGrammar, source: []byte(q.Grammar)}
	case !isNeutral(q.JSONSchema):
		return format{field: "json_schema", kind: formatSchema, source: q.JSONSchema}
	}
	return format{}
}

// encodePrompt returns the tokens of a prompt, whose text may name special ones.
func (s *Server) encodePrompt(p prompt, names bool, vocab int) func(context.Context, int) ([]int, error) {
	return func(ctx context.Context, most int) ([]int, error) {
		if p.ids == nil && names {
			return s.Tokens.AppendSpecialWithin(ctx, nil, p.text, most)
		}
		if p.ids == nil {
			return s.Tokens.AppendWithin(ctx, nil, p.text, most)
		}
		if len(p.ids) > most {
			return nil, tokenizer.ErrTooLong
		}
		for _, id := range p.ids {
			if id < 0 || id >= vocab {
				return nil, badRequest("prompt", "prompt: token id %d is outside of the vocabulary (0 to %d)", id, vocab-1)
			}
		}
		return p.ids, nil
	}
}

// completionForm returns what all choices are bound to; nil if they are free.
func (s *Server) completionForm(ctx context.Context, q *completionRequest) (*grammar.Automaton, error) {
	f := q.format()
	if f.kind == formatText {
		return nil, nil
	}
	return s.grammars.answer(ctx, s, f)
}

// completionText prepares one choice, bound to an automaton or to nothing.
func (s *Server) completionText(q *completionRequest, a *completionAnswer, bound *grammar.Automaton, ids []int, most, i int) (*text, error) {
	ch, err := newChooser(q.sampling.of(i), rand.Uint64())
	if err != nil {
		return nil, err
	}
	logprobs := -1
	if q.Logprobs != nil {
		logprobs = int(*q.Logprobs)
	}
	c := &completionChoice{a: a, index: len(a.choices), prompt: ids, echo: q.Echo, probs: q.Logprobs != nil, stop: stopper{stops: q.Stop}}
	c.stream, c.offset = s.Tokens.NewStream(), c.first()
	c.bound = s.bind(bound, s.Tokens.StopIDs()[0])
	a.choices = append(a.choices, c)
	t := &text{prompt: ids, max: most, chooser: ch, logprobs: logprobs, reader: c}
	if q.Echo && c.probs {
		c.given = make([]tokenProb, 1, len(ids))
		t.each = func(position int, logits []float32) {
			if position+1 < len(ids) {
				p, err := logProb(logits, ids[position+1], logprobs)
				c.given, c.failed = append(c.given, p), cmp.Or(c.failed, err)
			}
		}
	}
	return t, nil
}
