package batch

import (
	"context"
	"slices"
)

// room is memory of a fixed size. Who asks for some waits until it is there, in
// order of arrival. The owner's lock guards it; its methods are called with it held.
type room struct {
	most, used int64
	waiting    []*waiter
	reclaim    func() bool // makes some memory free that nobody needs; false: there is none
}

type waiter struct {
	bytes int64
	ready chan struct{} // closed when it has them
}

// fit takes bytes, if they are there.
func (r *room) fit(bytes int64) bool {
	for r.used+bytes > r.most {
		if !r.reclaim() {
			return false
		}
	}
	r.used += bytes
	return true
}

// free gives bytes back, to those that wait.
func (r *room) free(bytes int64) {
	r.used -= bytes
	r.serve()
}

// serve gives those that wait what is there, in order.
func (r *room) serve() {
	for len(r.waiting) > 0 && r.fit(r.waiting[0].bytes) {
		close(r.waiting[0].ready)
		r.waiting = r.waiting[1:]
	}
}

// lineUp asks for bytes, which are there when the waiter is ready.
func (r *room) lineUp(bytes int64) *waiter {
	w := &waiter{bytes, make(chan struct{})}
	r.waiting = append(r.waiting, w)
	r.serve()
	return w
}

// leave ends the wait of w. Bytes that it has got are given back.
func (r *room) leave(w *waiter) {
	if i := slices.Index(r.waiting, w); i >= 0 {
		r.waiting = slices.Delete(r.waiting, i, i+1)
		r.serve()
		return
	}
	r.free(w.bytes)
}

// reserve takes bytes as soon as they are there.
func (t *Texts) reserve(ctx context.Context, bytes int64) error {
	t.mu.Lock()
	w := t.room.lineUp(bytes)
	t.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		t.mu.Lock()
		defer t.mu.Unlock()
		t.room.leave(w)
		return ctx.Err()
	}
}
