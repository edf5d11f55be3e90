package batch

import (
	"cmp"
	"context"
	"slices"
	"time"

	"expertfs/infer"
)

// chunk is tokens of prompts on their way through the stages of the model.
type chunk struct {
	part   Part
	parts  []share
	tokens int
	ctx    context.Context
	cancel func()

	stages  int           // that were timed
	longest time.Duration // that one of the layers took
}

// share is what a prompt has in a chunk.
type share struct {
	*request
	n int // its first tokens
}

func (c *chunk) has(r *request) bool {
	return slices.ContainsFunc(c.parts, func(x share) bool { return x.request == r })
}

// advance takes the chunk under way, or a new one, through some stages: as many as
// take the time of a step while steps are due, one at least.
func (s *Scheduler) advance() {
	s.mu.Lock()
	if s.chunk == nil && !s.closed {
		s.chunk = s.newChunk()
	}
	c, quantum := s.chunk, s.usualStep()
	s.mu.Unlock()
	if c == nil {
		return
	}
	var err error
	if c.part == nil {
		c.part, err = s.begin(c.pieces())
	}
	done := false
	if err == nil {
		began := s.now()
		mark := began
		done, err = c.part.Advance(c.ctx, func() bool {
			now := s.now()
			stage := now.Sub(mark)
			mark = now
			if c.stages++; s.o.Stages == 0 || c.stages <= s.o.Stages { // logits of few tokens take as long as of many
				c.longest = max(c.longest, stage)
			}
			return s.due.Load() == 0 || now.Sub(began)+stage <= quantum
		})
	}
	if done || err != nil {
		s.endChunk(c, err)
	}
}

// newChunk makes a chunk of what the prompts have left; nil if there are none.
func (s *Scheduler) newChunk() *chunk {
	room := s.o.Whole
	if len(s.steps) > 0 || len(s.away) > 0 {
		room = s.chunkTokens()
	}
	parts := deal(s.prompts, room)
	if len(parts) == 0 {
		return nil
	}
	tokens := 0
	for _, x := range parts {
		tokens += x.n
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stats.Chunks++
	return &chunk{parts: parts, tokens: tokens, ctx: ctx, cancel: cancel}
}

// chunkTokens is how many tokens take about the time of a step in one stage, by what
// those of the last chunk took in the longest of its layers: as long as a text that runs waits
// beside its own step. A model of few layers has short steps, a machine with few
// processors long stages of many tokens, and attention grows with the text.
func (s *Scheduler) chunkTokens() int {
	if s.perToken == 0 {
		return min(leastChunk, s.o.Chunk)
	}
	n := int(s.usualStep()/s.perToken) / chunkUnit * chunkUnit
	return max(min(n, s.o.Chunk), min(leastChunk, s.o.Chunk))
}

const (
	// leastChunk is small enough to learn from, and large enough for kernels that
	// multiply several vectors at a time.
	leastChunk = 16
	chunkUnit  = 16
)

// deal divides room for so many tokens evenly among prompts. What one does not need
// the others have. One that is to be alone is.
func deal(prompts []*request, room int) []share {
	if i := slices.IndexFunc(prompts, func(r *request) bool { return r.alone }); i >= 0 {
		prompts = prompts[i : i+1]
	}
	sorted := slices.Clone(prompts)
	slices.SortStableFunc(sorted, func(a, b *request) int { return cmp.Compare(len(a.ids), len(b.ids)) })
	var parts []share
	for i, r := range sorted {
		n := min(len(r.ids), room/(len(sorted)-i))
		if n > 0 {
			parts = append(parts, share{r, n})
			room -= n
		}
	}
	return parts
}

func (c *chunk) pieces() []infer.Piece {
	var pieces []infer.Piece
	for _, x := range c.parts {
		pieces = append(pieces, infer.Piece{Session: x.session, IDs: x.ids[:x.n], Logits: x.n == len(x.ids), Each: x.each})
	}
	return pieces
}

// endChunk ends a chunk that was computed or has failed. What has failed in company
// is tried alone, and what was given up with another's is tried again.
func (s *Scheduler) endChunk(c *chunk, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.longest > 0 {
		s.perToken = max(1, c.longest/time.Duration(c.tokens))
	}
	given := c.ctx.Err() != nil // up
	c.cancel()
	s.chunk = nil
	for _, x := range c.parts {
		if err == nil {
			x.ids, x.alone = x.ids[x.n:], false
		}
		switch {
		case err == nil && len(x.ids) == 0:
		case x.gone || s.closed:
			err := cmp.Or(err, context.Canceled)
			s.endPrompt(x.request, err)
			continue
		case err == nil || given:
			continue
		case len(c.parts) > 1:
			x.alone = true
			continue
		}
		s.endPrompt(x.request, err)
	}
}

func (s *Scheduler) endPrompt(r *request, err error) {
	remove(&s.prompts, r)
	s.end(r, err)
}
