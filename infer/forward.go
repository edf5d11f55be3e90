package infer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"expertfs/infer/experts"
	"expertfs/infer/mapped"
)

// batch runs forward when no other session computes.
func (e *Engine) batch(ctx context.Context, s *Session, ids []int, last bool, each func(int, []float32)) (err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return errClosed
	}
	defer e.publish()
	defer e.machine.enter()()
	began := time.Now()
	done := false
	if err := e.begin(ctx, len(ids)); err != nil {
		return err
	}
	defer func() {
		if !done {
			e.lost = experts.Gone(err)
			err = errors.Join(err, e.experts.Abandon())
		}
	}()
	if err := e.forward(ctx, s, ids, last, each); err != nil {
		return err
	}
	took := time.Since(began)
	s.n += len(ids)
	e.stats.Tokens += len(ids)
	e.stats.Elapsed += took
	done = true
	return e.experts.End(took)
}

// forward runs the model over the tokens that follow those in s, and computes
// logits for the last one if last is set and for all of them if each is given.
func (e *Engine) forward(ctx context.Context, s *Session, ids []int, last bool, each func(int, []float32)) error {
	x := e.x.take(len(ids), e.cfg.Hidden)
	if err := embed(e.dense.embedding, x, ids); err != nil {
		return err
	}
	at := e.rope.positions(s.n, len(ids))
	for n, l := range e.layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := mapped.Guard(func() error { return l.forward(x, s.cache[n], at) }); err != nil {
			return fmt.Errorf("layer %d: %w", n, err)
		}
	}
	return mapped.Guard(func() error {
		e.logits(s, x, last, each)
		return nil
	})
}

// logits computes the scores of the last token of x if last is set, and hands
// those of all tokens to each if it is given.
func (e *Engine) logits(s *Session, x vectors, last bool, each func(int, []float32)) {
	first := x.n - 1
	switch {
	case each != nil:
		first = 0
	case !last:
		return
	}
	for first < x.n {
		count := min(logitsTogether, x.n-first)
		logits := e.head.forward(x.from(first, count))
		if each != nil {
			for t := range count {
				each(s.n+first+t, logits.at(t))
			}
		}
		first += count
		if first == x.n && last {
			s.logits = append(s.logits[:0], logits.at(count-1)...)
		}
	}
}
