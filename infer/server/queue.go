package server

import (
	"context"
	"net/http"
)

// queue lets one holder in at a time. Goroutines blocked on a channel are
// served in the order in which they came.
type queue struct {
	places chan struct{} // one for each that waits or holds
	turn   chan struct{} // filled while there is a holder
}

func newQueue(waiting int) *queue {
	return &queue{places: make(chan struct{}, waiting+1), turn: make(chan struct{}, 1)}
}

// join takes a place in the queue; part must follow. It returns an error at
// once when too many wait already.
func (q *queue) join() error {
	select {
	case q.places <- struct{}{}:
		return nil
	default:
		return serverError(http.StatusServiceUnavailable, "too many requests are waiting").withCode("overloaded")
	}
}

func (q *queue) part() { <-q.places }

// enter waits for the turn of one who has a place; leave must follow. It returns
// errCancelled when ctx ends first.
func (q *queue) enter(ctx context.Context) error {
	select {
	case q.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errCancelled
	}
}

func (q *queue) leave() { <-q.turn }

// waiting is how many wait, and running how many hold the turn.
func (q *queue) waiting() int { return max(0, len(q.places)-len(q.turn)) }
func (q *queue) running() int { return len(q.turn) }
