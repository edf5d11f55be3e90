package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"expertfs/infer/tokenizer"
)

// job is a request from its translation to its end. It has a place in the queue.
type job struct {
	s      *Server
	engine Engine
	began  time.Time
	prompt int // tokens of all prompts
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
		return nil, badRequest(field, "%s has more than %d tokens, and the context of this server is %d", field, j.engine.Context()-1, j.engine.Context()).
			withCode("context_length_exceeded")
	case err != nil:
		return nil, err
	case len(ids) == 0:
		return nil, badRequest(field, "%s is empty", field)
	}
	return ids, nil
}

// run computes texts in turn, after those that came before. Between texts, and
// when one is done, it tells done, which may be nil. The turn is over when run
// returns: nobody waits for a client that reads slowly, unless the answer is a
// stream.
func (j *job) run(ctx context.Context, texts []*text, done func(i int, o outcome) error) error {
	s := j.s
	if err := s.queue.enter(ctx); err != nil {
		return err
	}
	defer s.queue.leave()
	// The model may have been opened anew meanwhile.
	engine, err := s.life.wait(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	for i, t := range texts {
		o, err := generate(ctx, engine, t)
		j.prompt += len(t.prompt)
		j.total.add(o)
		s.meters.text(len(t.prompt), o)
		if err == nil {
			o.why, err = t.reader.end(o.why)
			j.total.why = o.why
		}
		if err == nil && done != nil {
			err = done(i, o)
		}
		if err == nil {
			continue
		}
		if ctx.Err() != nil || errors.Is(err, errGone) {
			s.Log.Info("request cancelled", "prompt", j.prompt, "generated", j.total.generated)
			return errCancelled
		}
		s.Log.Error("request failed", "err", err)
		if api := (*apiError)(nil); errors.As(err, &api) {
			return err
		}
		s.life.suspect(engine, err)
		return serverError(http.StatusInternalServerError, err.Error())
	}
	s.Log.Info("request done", "prompt", j.prompt, "reused", j.total.reused, "generated", j.total.generated,
		"waited", began.Sub(j.began).Round(time.Millisecond), "time", time.Since(began).Round(time.Millisecond))
	return nil
}

// errGone says that the client no longer reads its answer.
var errGone = errors.New("client gone")

func (o *outcome) add(more outcome) {
	o.reused += more.reused
	o.generated += more.generated
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
}

func (j *job) timings() *timings {
	o := j.total
	t := &timings{CacheN: o.reused, PromptN: j.prompt - o.reused, PredictN: o.generated}
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
