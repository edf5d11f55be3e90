package server

import (
	"context"
	"net/http"
	"slices"
	"sync"
)

// queue lets as many texts be computed at a time as the engine has slots. Turns are
// given in the order in which they were asked for.
type queue struct {
	mu      sync.Mutex
	most    int // requests that may wait
	slots   int
	places  int // of requests that wait or run
	running int // requests of which a text is computed
	turns   int // taken
	line    []*ticket
}

// ticket is a turn that is waited for, or all of them.
type ticket struct {
	all   bool
	ready chan struct{} // closed when it is there
}

func newQueue(waiting int) *queue { return &queue{most: waiting, slots: 1} }

// resize sets the number of slots.
func (q *queue) resize(slots int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.slots = max(slots, 1)
	q.serve()
}

// size is the number of slots.
func (q *queue) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.slots
}

// join takes a place in the queue; part must follow. It returns an error at
// once when too many wait already.
func (q *queue) join() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.places >= q.most+q.slots {
		return serverError(http.StatusServiceUnavailable, "too many requests are waiting").withCode("overloaded")
	}
	q.places++
	return nil
}

func (q *queue) part() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.places--
}

// enter waits for a turn of one who has a place; leave must follow. It returns
// errCancelled when ctx ends first.
func (q *queue) enter(ctx context.Context) error {
	return q.take(ctx, &ticket{ready: make(chan struct{})})
}

// enterAlone waits until nobody has a turn, and takes all; leave must follow.
func (q *queue) enterAlone(ctx context.Context) error {
	return q.take(ctx, &ticket{all: true, ready: make(chan struct{})})
}

func (q *queue) take(ctx context.Context, t *ticket) error {
	q.mu.Lock()
	q.line = append(q.line, t)
	q.serve()
	q.mu.Unlock()
	select {
	case <-t.ready:
		return nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.line, t); i >= 0 {
		q.line = slices.Delete(q.line, i, i+1)
	} else {
		q.turns -= q.weight(t)
	}
	q.serve()
	return errCancelled
}

// alone is more turns than there are slots.
const alone = 1 << 20

func (q *queue) weight(t *ticket) int {
	if t.all {
		return alone
	}
	return 1
}

// serve gives turns to those who come next, with the lock held.
func (q *queue) serve() {
	for len(q.line) > 0 {
		t := q.line[0]
		if t.all && q.turns > 0 || !t.all && q.turns >= q.slots {
			return
		}
		q.turns += q.weight(t)
		q.line = q.line[1:]
		close(t.ready)
	}
}

func (q *queue) leave()      { q.giveBack(1) }
func (q *queue) leaveAlone() { q.giveBack(alone) }

func (q *queue) giveBack(turns int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.turns -= turns
	q.serve()
}

// run tells that a request has begun to be computed, or by -1 that it has ended.
func (q *queue) run(change int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running += change
}

// state is how many requests have a place, and how many of them are computed.
func (q *queue) state() (places, running int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.places, q.running
}
