package server

import (
	"context"
	"math/rand/v2"
)

// exchange is a conversation whose answer is to be computed. The endpoints for
// conversations are alike from here on, but for how an answer is written.
type exchange struct {
	*job
	conversation *conversation
	prompt       []int // its tokens
	sampling     *sampling
	forms        *forms // what answers are bound to; nil: the model is free

	// What an endpoint sets before it asks for a text.
	stops    []string
	most     int // tokens to generate
	logprobs int // how many alternatives of each token are wanted; negative: not even its own probability
}

// exchange takes a place in the queue for a conversation, which stands in a field of the
// request, and makes tokens of it. The caller ends the job.
func (s *Server) exchange(ctx context.Context, field string, c *conversation, p *sampling) (x *exchange, err error) {
	j, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if x == nil { // after a panic too, from which net/http recovers
			j.end()
		}
	}()
	if err := p.check(j.engine.Vocab()); err != nil {
		return nil, err
	}
	prompt, err := j.encode(ctx, field, s.encodeConversation(c))
	if err != nil {
		return nil, err
	}
	return &exchange{job: j, conversation: c, prompt: prompt, sampling: p, logprobs: -1}, nil
}

// room is how many tokens the context has left for an answer.
func (x *exchange) room() int { return x.engine.Context() - len(x.prompt) }

// bind compiles what the answers are bound to. It comes before the first text.
func (x *exchange) bind(ctx context.Context) (err error) {
	x.forms, err = x.s.forms(ctx, x.conversation)
	return err
}

// text prepares the answer with number i: what the engine is asked for, and the turn that
// reads it and tells its items to out.
func (x *exchange) text(out sink, i int) (*text, *turn, error) {
	chooser, err := newChooser(x.sampling.of(i), rand.Uint64())
	if err != nil {
		return nil, nil, err
	}
	t := x.s.newTurn(x.conversation, x.stops, out)
	t.guide = x.s.newGuide(x.forms)
	return &text{prompt: x.prompt, max: x.most, chooser: chooser, logprobs: x.logprobs, reader: t}, t, nil
}
