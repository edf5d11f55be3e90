package batch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"expertfs/infer"
)

// Batch is pieces that are computed some stages at a time; infer.Batch is one.
type Batch interface {
	Advance(ctx context.Context, more func() bool) (done bool, err error)
	Drop(session *infer.Session) // between two stages: the others go on
}

// Begin makes a batch of pieces, as infer.Engine.NewBatch does.
type Begin func(pieces []infer.Piece) (Batch, error)

// Options bound how many tokens of prompts are computed together.
type Options struct {
	Chunk  int // at most, while other texts wait for tokens; 0: DefaultChunk
	Whole  int // while nobody does; 0: infer.DefaultBatch
	Stages int // of a batch before those of its logits; 0: all are
}

// DefaultChunk is the most tokens of a chunk while texts run. Larger ones are hardly
// faster.
const DefaultChunk = 256

// Scheduler computes what is asked of it by Append. Close ends it.
type Scheduler struct {
	begin Begin
	o     Options
	wake  chan struct{} // something has changed
	ended chan struct{} // the goroutine has
	now   func() time.Time

	due atomic.Int64 // steps that wait

	mu       sync.Mutex
	closed   bool
	steps    []*request    // of the next batch, in order of arrival
	prompts  []*request    // with tokens left, in order of arrival
	chunk    *chunk        // under way; nil: none
	brief    *chunk        // goes before it; nil: none
	lead     time.Duration // that brief ones have had more of than others that waited
	running  *stepping     // the batch of steps under way; nil: none
	away     map[*infer.Session]struct{}
	back     time.Time       // since when a step waits for company: its arrival, or the end of the last batch
	recent   []time.Duration // of batches of steps, the last ones
	perToken time.Duration   // of the last chunk, in the stage that took longest
	stats    Stats
}

// Stats counts batches.
type Stats struct {
	Steps     int64 // batches of steps
	StepTexts int64 // texts in them
	Chunks    int64 // of prompts
}

// request is one Append.
type request struct {
	session *infer.Session
	ids     []int // still to be computed
	each    func(int, []float32)
	done    chan error // has room for one
	gone    bool       // its context has ended
	alone   bool       // company has failed
}

// ErrClosed answers calls on a Scheduler that was closed.
var ErrClosed = errors.New("the model is closed")

// New starts a scheduler.
func New(begin Begin, o Options) *Scheduler {
	s := prepare(begin, o)
	go s.loop()
	return s
}

func prepare(begin Begin, o Options) *Scheduler {
	if o.Chunk == 0 {
		o.Chunk = DefaultChunk
	}
	if o.Whole == 0 {
		o.Whole = infer.DefaultBatch
	}
	s := &Scheduler{
		begin: begin, o: o, wake: make(chan struct{}, 1), ended: make(chan struct{}), now: time.Now,
		away: make(map[*infer.Session]struct{}),
	}
	return s
}

// Append computes ids, the next tokens of session, in company of what others ask
// for. It is as Session.Append, but several goroutines may call it, each with a
// session of its own. The session must not be used meanwhile.
func (s *Scheduler) Append(ctx context.Context, session *infer.Session, ids []int, each func(int, []float32)) error {
	if len(ids) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		s.Leave(session)
		return err
	}
	r := &request{session: session, ids: ids, each: once(each), done: make(chan error, 1)}
	s.enter(r)
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		s.cancel(r)
		if <-r.done != nil {
			return ctx.Err()
		}
		return nil
	}
}

// once returns each without the positions that are computed again, since company has
// failed in the midst of the logits: it has seen the same ones before.
func once(each func(int, []float32)) func(int, []float32) {
	if each == nil {
		return nil
	}
	next := 0
	return func(position int, logits []float32) {
		if position >= next {
			next = position + 1
			each(position, logits)
		}
	}
}

// Leave says that session has all its tokens, so that nobody waits for it.
func (s *Scheduler) Leave(session *infer.Session) {
	s.mu.Lock()
	delete(s.away, session)
	s.mu.Unlock()
	s.changed()
}

// Stats returns what was counted so far.
func (s *Scheduler) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Close ends all that is under way with ErrClosed, and the goroutine that computes.
func (s *Scheduler) Close() {
	s.mu.Lock()
	s.closed = true
	if s.running != nil {
		s.running.cancel()
	}
	for _, c := range s.chunks() {
		c.cancel()
	}
	s.mu.Unlock()
	s.changed()
	<-s.ended
}

func (s *Scheduler) changed() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Scheduler) enter(r *request) {
	s.mu.Lock()
	defer s.changed()
	defer s.mu.Unlock()
	delete(s.away, r.session)
	switch {
	case s.closed:
		r.done <- ErrClosed
	case len(r.ids) > stepTokens:
		s.prompts = append(s.prompts, r)
	default:
		if len(s.steps) == 0 {
			s.back = s.now()
		}
		s.steps = append(s.steps, r)
		s.due.Add(1)
	}
}

// cancel gives a request up. A chunk that it is in goes on without it from the next
// stage on, and ends there if nobody else wants it, as a batch of steps does.
func (s *Scheduler) cancel(r *request) {
	s.mu.Lock()
	defer s.changed()
	defer s.mu.Unlock()
	r.gone = true
	if remove(&s.steps, r) {
		s.due.Add(-1)
		r.done <- context.Canceled
		return
	}
	if b := s.running; b != nil && all(b.requests, (*request).isGone) {
		b.cancel()
	}
	for _, c := range s.chunks() {
		if c.has(r) {
			c.leave()
			return
		}
	}
	if slices.Contains(s.prompts, r) {
		s.endPrompt(r, context.Canceled)
	}
}

func (r *request) isGone() bool { return r.gone }

// loop computes until the scheduler is closed.
func (s *Scheduler) loop() {
	defer close(s.ended)
	for {
		steps, ok := s.next()
		if !ok {
			return
		}
		if len(steps) > 0 {
			s.step(steps)
		}
		s.advance()
	}
}

// next waits until there is something to compute, and returns the steps of the next
// batch; there are none while only prompts wait.
func (s *Scheduler) next() (steps []*request, ok bool) {
	for {
		s.mu.Lock()
		wait := s.patience()
		if s.closed {
			s.refuseAll()
			s.mu.Unlock()
			return nil, false
		}
		if wait == 0 {
			if steps, s.steps = s.steps, nil; len(steps) > 0 {
				s.due.Store(0)
				clear(s.away) // who is late is not waited for
			}
			s.mu.Unlock()
			return steps, true
		}
		s.mu.Unlock()
		select {
		case <-s.wake:
		case <-time.After(wait):
		}
	}
}

// forever is longer than anybody waits.
const forever = time.Hour

// refuseAll ends what waits.
func (s *Scheduler) refuseAll() {
	for _, r := range append(s.steps, s.prompts...) {
		r.done <- ErrClosed
	}
	s.steps, s.prompts, s.chunk, s.brief = nil, nil, nil, nil
}

// finish ends a request.
func (s *Scheduler) finish(r *request, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(r, err)
}

// end ends a request with the lock held. Its text is expected back if all went well.
func (s *Scheduler) end(r *request, err error) {
	if err == nil && !r.gone {
		s.away[r.session] = struct{}{}
	}
	if err != nil && s.closed {
		err = ErrClosed
	}
	r.done <- err
}

// remove takes r out of a list, and tells whether it was there.
func remove(list *[]*request, r *request) bool {
	i := slices.Index(*list, r)
	if i >= 0 {
		*list = slices.Delete(*list, i, i+1)
	}
	return i >= 0
}

func all(list []*request, f func(*request) bool) bool {
	for _, r := range list {
		if !f(r) {
			return false
		}
	}
	return true
}
