package server

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// A server is loading until it has an engine, then ready; failed while the
// engine cannot be used, as when the mount that it reads has died; and draining
// when it is to end.
const (
	loading  = "loading"
	ready    = "ready"
	failed   = "error"
	draining = "draining"
)

// life is the state of the server and its engine.
type life struct {
	mu      sync.Mutex
	engine  Engine
	err     error         // why there is none
	drained bool          // no new requests are taken
	changed chan struct{} // closed when any of these changes
	opening bool          // the engine is being opened anew

	s *Server
}

// checker is an Engine that can tell whether what it reads is still there.
type checker interface{ Check(context.Context) error }

// change has f change the state, with the lock held, and wakes those who wait for that.
func (l *life) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.changed)
	l.changed = make(chan struct{})
}

// Ready makes the server use an engine, and wakes the requests that wait for it.
func (s *Server) Ready(e Engine) {
	s.queue.resize(e.Slots())
	// Opening ends with the same change: should e fail at once it is opened anew too.
	s.life.change(func() { s.life.engine, s.life.err, s.life.opening = e, nil, false })
}

// Drain makes the server refuse new requests. Those that it has go on.
func (s *Server) Drain() { s.life.change(func() { s.life.drained = true }) }

// Busy tells whether there are requests that wait or are computed.
func (s *Server) Busy() bool {
	places, _ := s.queue.state()
	return places > 0
}

func (l *life) state() (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.drained:
		return draining, nil
	case l.err != nil:
		return failed, l.err
	case l.engine == nil:
		return loading, nil
	}
	return ready, nil
}

// current is the engine, if there is one.
func (l *life) current() Engine {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.engine
}

// wait returns the engine as soon as there is one.
func (l *life) wait(ctx context.Context) (Engine, error) {
	for {
		l.mu.Lock()
		engine, err, changed := l.engine, l.err, l.changed
		l.mu.Unlock()
		switch {
		case err != nil:
			return nil, serverError(http.StatusServiceUnavailable, "the model cannot be used: "+err.Error()).withCode("model_unavailable")
		case engine != nil:
			return engine, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, errCancelled
		}
	}
}

// patienceOfCheck is how long a check of the engine's files may take.
const patienceOfCheck = 2 * time.Second

// check asks the engine whether its files are there.
func (l *life) check(ctx context.Context) {
	engine := l.current()
	c, ok := engine.(checker)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patienceOfCheck)
	defer cancel()
	if err := c.Check(ctx); err != nil {
		l.fail(engine, err)
	}
}

// suspect looks, after an error, whether the engine is still of use.
func (l *life) suspect(engine Engine, err error) {
	if c, ok := engine.(checker); ok {
		ctx, cancel := context.WithTimeout(context.Background(), patienceOfCheck)
		defer cancel()
		if c.Check(ctx) != nil {
			l.fail(engine, err)
		}
	}
}

// fail gives an engine up and has it opened anew. An engine that is not the present one
// any more, or has failed already, is left alone.
func (l *life) fail(engine Engine, err error) {
	stale, begin := false, false
	l.change(func() {
		if stale = l.engine != engine || l.err != nil; stale {
			return
		}
		begin = !l.opening && l.s.Reopen != nil
		l.err, l.opening = err, l.opening || begin
	})
	if stale {
		return
	}
	l.s.Log.Error("the model cannot be used any more", "err", err)
	if begin {
		go l.reopen(engine)
	}
}

// reopen tries until the engine is back, or the server ends. It takes all turns,
// so that nobody uses the engine meanwhile.
func (l *life) reopen(old Engine) {
	if l.s.queue.enterAlone(l.s.Base) != nil {
		return
	}
	defer l.s.queue.leaveAlone()
	for {
		fresh, err := l.s.Reopen(l.s.Base, old)
		if err == nil {
			l.s.Log.Info("the model is back")
			l.s.Ready(fresh)
			return
		}
		l.change(func() { l.err = err })
		select {
		case <-l.s.Base.Done():
			return
		case <-time.After(l.s.Retry):
		}
	}
}
