package infer

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"expertfs/infer/kernel"
)

// workspace is the memory of one batch of n tokens. It is kept between batches
// and grows with the largest.
type workspace struct {
	x      []float32 // [n][H], the residual stream
	normed []float32 // [n][H]
	qkv    []float32 // [n][(Q+2K)*D]
	mixed  []float32 // [n][Q*D], what attention gathered
	cos    []float32 // [n][D/2]
	sin    []float32 // [n][D/2]
	in     input
	moe    moeSpace
	vocab  []float32 // [logitsTogether][V]

	scores  [][]float32      // by thread, for attention
	scratch []kernel.Scratch // by thread
}

// batch runs forward when no other session computes.
func (e *Engine) batch(ctx context.Context, s *Session, ids []int, last bool, each func(int, []float32)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return errClosed
	}
	defer e.publish()
	defer e.pool.enter()()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return e.forward(ctx, s, ids, last, each)
}

// forward runs the model over one batch of tokens, and computes logits for the
// last token if last is set and for all of them if each is given.
func (e *Engine) forward(ctx context.Context, s *Session, ids []int, last bool, each func(int, []float32)) error {
	began := time.Now()
	n, w := len(ids), &e.work
	e.predictor.begin(e.experts.keep.short)
	e.experts.hints.ForgetAhead()
	w.x = resize(w.x, n*e.cfg.Hidden)
	if err := e.embed(w.x, ids); err != nil {
		return err
	}
	e.prepareAngles(s.n, n)
	for l := range e.layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := e.attention(l, s, n); err != nil {
			return inLayer(l, err)
		}
		if err := e.mixture(l, s.n, n); err != nil {
			return inLayer(l, err)
		}
	}
	if err := e.logits(s, n, last, each); err != nil {
		return err
	}
	s.n += n
	e.stats.Tokens += n
	took := time.Since(began)
	e.stats.Elapsed += took
	e.predictor.took(n, took)
	return e.experts.endBatch()
}

// inLayer says where an error happened.
func inLayer(l int, err error) error { return fmt.Errorf("layer %d: %w", l, err) }
