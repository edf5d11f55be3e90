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

// enter waits for the turn; leave must follow. It returns an error at once
// when too many wait already, and errCancelled when ctx ends first.
func (q *queue) enter(ctx context.Context) error {
	select {
	case q.places <- struct{}{}:
	default:
		return serverError(http.StatusServiceUnavailable, "too many requests are waiting").withCode("overloaded")
	}
	select {
	case q.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-q.places
		return errCancelled
	}
}

func (q *queue) leave() {
	<-q.turn
	<-q.places
}
