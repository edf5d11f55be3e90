package server

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"expertfs/infer/tokenizer"

	"golang.org/x/sync/errgroup"
)

// job is a request from its translation to its end. It has a place in the queue.
type job struct {
	s      *Server
	engine Engine
	began  time.Time

	mu     sync.Mutex // held while a reader of the job is at work; guards what follows
	prompt int        // tokens of all prompts
	total  outcome
}

// begin takes a place in the queue and waits until the model is loaded. end must
// follow.
func (s *Server) begin(ctx context.Context) (*job, error) {
	if err := s.queue.join(); err != nil {
		return nil, err
	}
	engine, err := s.life.wait(ctx)
	if err != nil {
		s.queue.part()
		return nil, err
	}
	return &job{s: s, engine: engine, began: time.Now()}, nil
}

func (j *job) end() { j.s.queue.part() }

// encode makes tokens of a text that belongs to field: at most as many as leave
// room for an answer. Texts are encoded one at a time, so that what clients send
// at once takes the memory of one, and the work ends with the client.
func (j *job) encode(ctx context.Context, field string, tokens func(context.Context, int) ([]int, error)) ([]int, error) {
	select {
	case j.s.encoding <- struct{}{}:
		defer func() { <-j.s.encoding }()
	case <-ctx.Done():
		return nil, errCancelled
	}
	ids, err := tokens(ctx, j.engine.Context()-1)
	switch {
	case ctx.Err() != nil:
		return nil, errCancelled
	case errors.Is(err, tokenizer.ErrTooLong):
		what := field
		if field != "prompt" {
			what += ", with instructions, tools and the schema of the answer,"
		}
		return nil, badRequest(field, "%s has more than %d tokens, and the context of this server is %d", what, j.engine.Context()-1, j.engine.Context()).
			withCode("context_length_exceeded")
	case err != nil:
		return nil, err
	case len(ids) == 0:
		return nil, badRequest(field, "%s is empty", field)
	}
	return ids, nil
}

// run computes texts, as many at a time as there are turns for, after those that came
// before. When one is done it tells done, which may be nil. The readers of the texts
// and done are called by one goroutine at a time. When run returns the turns are over:
// nobody waits for a client that reads slowly, unless the answer is a stream.
func (j *job) run(ctx context.Context, texts []*text, done func(i int, o outcome) error) error {
	group, within := errgroup.WithContext(ctx)
	began, err := j.start(within, group, texts, done)
	if first := group.Wait(); first != nil {
		err = first // of which the other is a consequence
	}
	if !began.IsZero() {
		j.s.queue.run(-1)
	}
	for _, t := range texts {
		t.origin.close()
	}
	return j.ended(ctx, began, err)
}

// start begins each text in a goroutine of group, when its turn comes. It returns when the
// first one began, the zero time if none did.
func (j *job) start(ctx context.Context, group *errgroup.Group, texts []*text, done func(i int, o outcome) error) (began time.Time, err error) {
	queue := j.s.queue
	for i, t := range texts {
		if err := t.origin.wait(ctx); err != nil {
			return began, err
		}
		if err := queue.enter(ctx); err != nil {
			return began, err
		}
		if i == 0 {
			began = time.Now()
			queue.run(1)
		}
		group.Go(func() error {
			defer queue.leave()
			return j.compute(ctx, i, t, done)
		})
	}
	return began, nil
}

// ended tells the log what has come of the request, whose first text began then, and
// returns what the client is told. One that has only waited is not worth a line.
func (j *job) ended(ctx context.Context, began time.Time, err error) error {
	log, id := j.s.Log, requestID(ctx)
	switch {
	case err == nil:
		log.Info("request done", "id", id, "prompt", j.prompt, "reused", j.total.reused, "generated", j.total.generated,
			"waited", began.Sub(j.began).Round(time.Millisecond), "time", time.Since(began).Round(time.Millisecond))
		return nil
	case ctx.Err() == nil && !errors.Is(err, errGone) && !errors.Is(err, errCancelled):
		log.Error("request failed", "id", id, "err", err)
		return err
	case began.IsZero():
		return err
	}
	log.Info("request cancelled", "id", id, "prompt", j.prompt, "generated", j.total.generated)
	return errCancelled
}

// compute computes a text, whose turn it is.
func (j *job) compute(ctx context.Context, i int, t *text, done func(i int, o outcome) error) error {
	s := j.s
	// The model may have been opened anew meanwhile.
	engine, err := s.life.wait(ctx)
	if err != nil {
		return err
	}
	o, err := j.generate(ctx, engine, t)
	j.mu.Lock()
	j.prompt += o.prompt
	j.total.add(o)
	j.mu.Unlock()
	s.meters.text(o)
	if err == nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		o.why, err = t.reader.end(o.why)
		j.total.why = o.why
		if err == nil && done != nil {
			err = done(i, o)
		}
		return err
	}
	if api := (*apiError)(nil); ctx.Err() != nil || errors.Is(err, errGone) || errors.As(err, &api) {
		return err
	}
	s.life.suspect(engine, err)
	return serverError(http.StatusInternalServerError, err.Error())
}

// errGone says that the client no longer reads its answer.
var errGone = errors.New("client gone")

func (o *outcome) add(more outcome) {
	o.reused += more.reused
	o.generated += more.generated
	o.replaced += more.replaced
	o.reading += more.reading
	o.writing += more.writing
	o.why = more.why
}

// timings tell how long an answer took, in the form of llama-server.
type timings struct {
	CacheN      int     `json:"cache_n"`
	PromptN     int     `json:"prompt_n"`
	PromptMS    float64 `json:"prompt_ms"`
	PromptEach  float64 `json:"prompt_per_token_ms"`
	PromptRate  float64 `json:"prompt_per_second"`
	PredictN    int     `json:"predicted_n"`
	PredictMS   float64 `json:"predicted_ms"`
	PredictEach float64 `json:"predicted_per_token_ms"`
	PredictRate float64 `json:"predicted_per_second"`
	Substituted int     `json:"experts_substituted,omitzero"` // beside llama-server's: uses of experts in RAM in place of the router's choice
}

func (j *job) timings() *timings { return newTimings(j.prompt, j.total) }

// newTimings are those of texts that have asked for that many tokens of prompts.
func newTimings(prompt int, o outcome) *timings {
	t := &timings{CacheN: o.reused, PromptN: prompt - o.reused, PredictN: o.generated, Substituted: o.replaced}
	t.PromptMS, t.PromptEach, t.PromptRate = rates(o.reading, t.PromptN)
	t.PredictMS, t.PredictEach, t.PredictRate = rates(o.writing, t.PredictN)
	return t
}

func rates(took time.Duration, n int) (ms, each, rate float64) {
	ms = float64(took) / float64(time.Millisecond)
	if n > 0 && took > 0 {
		each, rate = ms/float64(n), float64(n)/took.Seconds()
	}
	return ms, each, rate
}
