package web

import (
	"context"
	"errors"
	"sync"
	"time"
)

// question is something that a mount is asked again and again. Those who ask while it is
// asked wait for the same answer: a mount that hangs has one goroutine hang, however often
// it is probed or scraped. It is safe for concurrent use.
type question[T any] struct {
	ask func() (T, error) // may block for good

	mu sync.Mutex
	// GUARDED BY mu.
	asking *asking[T] // nil while nobody asks
}

// asking is a question that is under way.
type asking[T any] struct {
	done chan struct{}
	// Once done is closed.
	answer T
	err    error
}

// askPatience is how long a mount may take to answer.
const askPatience = 2 * time.Second

// errSilent says that it has taken longer.
var errSilent = errors.New("the mount does not answer")

// answered asks the mount, or waits for the answer to what it was asked already, until
// ctx ends at the latest.
func (q *question[T]) answered(ctx context.Context) (T, error) {
	a := q.begin()
	select {
	case <-a.done:
		return a.answer, a.err
	case <-ctx.Done():
	case <-time.After(askPatience):
	}
	var none T
	return none, errSilent
}

func (q *question[T]) begin() *asking[T] {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.asking == nil {
		a := &asking[T]{done: make(chan struct{})}
		q.asking = a
		go func() {
			a.answer, a.err = q.ask()
			q.mu.Lock()
			defer q.mu.Unlock()
			q.asking = nil
			close(a.done)
		}()
	}
	return q.asking
}
