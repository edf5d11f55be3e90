package server

import (
	"context"
	"math/rand/v2"
	"slices"

	"expertfs/infer/sample"
)

// finish is why a text ended.
type finish string

const (
	finishStop   finish = "stop"   // a stop token was chosen, or no more was wanted
	finishLength finish = "length" // the most tokens allowed, or the end of the context
)

// continueText chooses tokens after j's prompt and hands each to emit, which
// tells whether more are wanted. It returns how many it chose.
func (s *Server) continueText(ctx context.Context, j *job, emit func(id int) bool) (n int, why finish, err error) {
	sampler, err := sample.New(j.sampling(rand.Uint64()))
	if err != nil {
		return 0, "", err
	}
	if _, err := s.Engine.Prompt(ctx, j.prompt, nil); err != nil {
		return 0, "", err
	}
	stops := s.Tokens.StopIDs()
	for n < j.max {
		id, err := sampler.Sample(s.Engine.Logits())
		if err != nil {
			return n, "", err
		}
		n++
		if more := emit(id); !more || slices.Contains(stops, id) {
			return n, finishStop, nil
		}
		if n == j.max {
			break
		}
		if err := s.Engine.Append(ctx, []int{id}); err != nil {
			return n, "", err
		}
	}
	return n, finishLength, nil
}
