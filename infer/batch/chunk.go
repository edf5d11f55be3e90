package batch

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"expertfs/infer"
)

// chunk is tokens of prompts on their way through the stages of the model.
type chunk struct {
	batch  Batch // nil before the first stage
	parts  []part
	tokens int // that it began with
	ctx    context.Context
	cancel func()
	left   atomic.Bool // a request of it is gone: it is taken out before the next stage of any chunk

	stages  int              // that were timed
	took    [4]time.Duration // that the last of each kind took: attention and experts, of layers that alternate
	longest time.Duration    // that one of the layers took
}

// part is what a chunk has of a prompt: its first n tokens.
type part struct {
	*request
	n int
}

// newChunk makes a chunk of parts; nil if there are none.
func (s *Scheduler) newChunk(parts []part) *chunk {
	if len(parts) == 0 {
		return nil
	}
	c := &chunk{parts: parts}
	for _, x := range parts {
		c.tokens += x.n
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	s.stats.Chunks++
	return c
}

// chunks are those under way.
func (s *Scheduler) chunks() (all []*chunk) {
	for _, c := range []*chunk{s.brief, s.chunk} {
		if c != nil {
			all = append(all, c)
		}
	}
	return all
}

func (c *chunk) has(r *request) bool {
	return slices.ContainsFunc(c.parts, func(x part) bool { return x.request == r })
}

// leave is told that one of the requests is gone. The scheduler's lock is held.
func (c *chunk) leave() {
	if !slices.ContainsFunc(c.parts, func(x part) bool { return !x.gone }) {
		c.cancel()
	}
	c.left.Store(true)
}

// advance takes the chunk under way, or a new one, through some stages: as many as
// take stageTime while steps are due, one at least.
func (s *Scheduler) advance() {
	s.dropGone() // who left since the last stage, while steps were computed
	s.mu.Lock()
	c, quantum := s.nextChunk(), s.stageTime()
	s.mu.Unlock()
	if c == nil {
		return
	}
	var err error
	if c.batch == nil {
		c.batch, err = s.begin(c.pieces())
	}
	done, began := false, s.now()
	if err == nil {
		mark := began
		done, err = c.batch.Advance(c.ctx, func() bool {
			now := s.now()
			s.timed(c, now.Sub(mark))
			mark = now
			if s.left() || s.due.Load() > 0 && now.Sub(began)+s.foreseen(c) > quantum {
				return false
			}
			return !s.givesWay(c, now.Sub(began))
		})
	}
	s.account(c, s.now().Sub(began))
	if done || err != nil {
		s.endChunk(c, err)
	}
	s.dropGone()
}

// timed is told how long the chunk's next stage took.
func (s *Scheduler) timed(c *chunk, stage time.Duration) {
	c.took[c.stages%len(c.took)] = stage
	if c.stages++; s.o.Stages == 0 || c.stages <= s.o.Stages { // logits of few tokens take as long as of many
		c.longest = max(c.longest, stage)
	}
}

// foreseen is how long the chunk's next stage will take: as long as the same half two
// layers before, since attention to a window and to all of the text alternate, and in the
// first layers as the last chunk's longest stage, by its tokens. Logits take the better
// part of a step, and more of them as long again.
func (s *Scheduler) foreseen(c *chunk) time.Duration {
	next, last := c.stages%len(c.took), (c.stages-1)%len(c.took)
	switch {
	case s.o.Stages > 0 && c.stages == s.o.Stages:
		return s.usualStep()
	case s.o.Stages > 0 && c.stages > s.o.Stages:
		return c.took[last]
	case c.took[next] > 0:
		return c.took[next]
	}
	return max(c.longest, s.perToken*time.Duration(c.tokens))
}

// nextChunk is the chunk to go on with, or a new one; nil: no prompts wait.
func (s *Scheduler) nextChunk() *chunk {
	if s.brief == nil && s.lead == 0 {
		s.brief = s.newChunk(s.briefParts())
	}
	if s.brief != nil {
		return s.brief
	}
	if s.chunk == nil && !s.closed {
		s.chunk = s.newChunk(deal(s.patient(), s.room()))
	}
	return s.chunk
}

// room is how many tokens the next chunk may have.
func (s *Scheduler) room() int {
	if len(s.steps) > 0 || len(s.away) > 0 {
		return s.chunkTokens()
	}
	return s.o.Whole
}

func (c *chunk) pieces() []infer.Piece {
	var pieces []infer.Piece
	for _, x := range c.parts {
		pieces = append(pieces, infer.Piece{Session: x.session, IDs: x.ids[:x.n], Logits: x.n == len(x.ids), Each: x.each})
	}
	return pieces
}

// endChunk ends a chunk that was computed or has failed. What has failed in company
// is tried alone.
func (s *Scheduler) endChunk(c *chunk, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.cancel()
	if c == s.brief {
		s.brief = nil
	} else {
		s.chunk = nil
		if c.longest > 0 {
			s.perToken = max(1, c.longest/time.Duration(c.tokens))
		}
	}
	for _, x := range c.parts {
		if err == nil {
			x.ids, x.alone = x.ids[x.n:], false
		}
		switch {
		case err == nil && len(x.ids) == 0:
			s.endPrompt(x.request, nil)
		case x.gone || s.closed:
			s.endPrompt(x.request, cmp.Or(err, context.Canceled))
		case err == nil:
		case len(c.parts) > 1:
			x.alone = true
		default:
			s.endPrompt(x.request, err)
		}
	}
}

// left tells whether somebody has left a chunk under way, this one or that which waits.
// It is for the goroutine that computes, which alone begins and ends chunks.
func (s *Scheduler) left() bool {
	return slices.ContainsFunc(s.chunks(), func(c *chunk) bool { return c.left.Load() })
}

// dropGone takes those who have given up out of the chunks under way, between two
// stages. What the others have computed stays, and a chunk that nobody wants ends.
func (s *Scheduler) dropGone() {
	for _, c := range s.chunks() {
		if !c.left.Swap(false) {
			continue
		}
		s.mu.Lock()
		gone := slices.DeleteFunc(slices.Clone(c.parts), func(x part) bool { return !x.gone })
		s.mu.Unlock()
		if len(gone) == len(c.parts) {
			s.endChunk(c, context.Canceled)
			continue
		}
		for _, x := range gone {
			c.batch.Drop(x.session)
		}
		s.mu.Lock()
		for _, x := range gone {
			c.parts = slices.DeleteFunc(c.parts, func(y part) bool { return x.request == y.request })
			s.endPrompt(x.request, context.Canceled)
		}
		s.mu.Unlock()
	}
}

func (s *Scheduler) endPrompt(r *request, err error) {
	if remove(&s.prompts, r); len(s.prompts) == 0 {
		s.lead = 0
	}
	s.end(r, err)
}
