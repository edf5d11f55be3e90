package batch

import (
	"context"
	"slices"
	"time"

	"expertfs/infer"
)

// stepTokens is the most tokens of a step. Some are forced on a text together.
const stepTokens = 8

// stepping is a batch of steps under way.
type stepping struct {
	requests []*request
	cancel   func()
}

// patience is how long the next batch may still wait for company.
func (s *Scheduler) patience() time.Duration {
	switch {
	case s.chunk != nil || len(s.prompts) > 0:
		return 0
	case len(s.steps) == 0:
		return forever
	case len(s.away) == 0:
		return 0
	}
	return max(0, s.usualStep()/8-s.now().Sub(s.back))
}

// recentSteps is how many batches of steps tell what is usual.
const recentSteps = 5

func (s *Scheduler) took(step time.Duration) {
	if len(s.recent) == recentSteps {
		s.recent = slices.Delete(s.recent, 0, 1)
	}
	s.recent = append(s.recent, step)
}

// usualStep is the median of the last steps: one that has waited for the drive must
// not have stages of a chunk follow it that take as long. 0: there were none.
func (s *Scheduler) usualStep() time.Duration {
	if len(s.recent) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(s.recent))[(len(s.recent)-1)/2]
}

// step computes a batch of steps, and what has failed text by text.
func (s *Scheduler) step(requests []*request) {
	began := s.now()
	err := s.stepTogether(requests)
	took := s.now().Sub(began)
	if err != nil && len(requests) > 1 {
		for _, r := range requests {
			s.finish(r, s.stepTogether([]*request{r}))
		}
		return
	}
	s.mu.Lock()
	s.took(took)
	s.back = s.now()
	s.stats.Steps++
	s.stats.StepTexts += int64(len(requests))
	for _, r := range requests {
		s.end(r, err)
	}
	s.mu.Unlock()
}

func (s *Scheduler) stepTogether(requests []*request) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pieces := make([]infer.Piece, len(requests))
	for i, r := range requests {
		pieces[i] = infer.Piece{Session: r.session, IDs: r.ids, Logits: true, Each: r.each}
	}
	s.mu.Lock()
	s.running = &stepping{requests, cancel}
	if s.closed || all(requests, (*request).isGone) {
		cancel()
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.running = nil
		s.mu.Unlock()
	}()
	b, err := s.begin(pieces)
	if err == nil {
		_, err = b.Advance(ctx, nil)
	}
	return err
}
