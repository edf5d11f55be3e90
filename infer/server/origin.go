package server

import (
	"context"
	"sync"
)

// origin is the prompt that several texts of a request share. The first of them has
// it computed and leaves a text for each of the others.
type origin struct {
	others  int           // texts beside the first
	ready   chan struct{} // closed when the prompt was computed, or could not be
	waiting bool          // the first text has been let through

	mu    sync.Mutex
	asked bool // for all
	left  []Text
	once  sync.Once // closes ready
}

// shareOrigin lets texts of one prompt share it, unless they want to see it computed.
func shareOrigin(texts []*text) {
	if len(texts) < 2 || texts[0].each != nil {
		return
	}
	o := &origin{others: len(texts) - 1, ready: make(chan struct{})}
	for _, t := range texts {
		t.origin = o
	}
}

// wait lets the first text through, and the others when there is something for them.
// It is called by one goroutine.
func (o *origin) wait(ctx context.Context) error {
	if o == nil {
		return nil
	}
	if !o.waiting {
		o.waiting = true
		return nil
	}
	select {
	case <-o.ready:
		return nil
	case <-ctx.Done():
		return errCancelled
	}
}

// wanted is how many texts the prompt is to make.
func (o *origin) wanted() int {
	if o == nil {
		return 1
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.asked {
		return 1
	}
	o.asked = true
	return 1 + o.others
}

// leave leaves texts for the others; none if the prompt could not be computed.
func (o *origin) leave(texts []Text) {
	if o == nil {
		return
	}
	o.mu.Lock()
	o.left = append(o.left, texts...)
	o.mu.Unlock()
	o.once.Do(func() { close(o.ready) })
}

// take returns a text that was left; nil if there is none.
func (o *origin) take() Text {
	if o == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(o.left)
	if n == 0 {
		return nil
	}
	x := o.left[n-1]
	o.left = o.left[:n-1]
	return x
}

// close gives up what nobody has taken.
func (o *origin) close() {
	for x := o.take(); x != nil; x = o.take() {
		x.Close()
	}
}
