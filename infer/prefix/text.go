package prefix

import (
	"context"

	"expertfs/infer"
)

// Text is a session whose computed beginnings are kept. It is used as the session
// is, by one goroutine at a time.
type Text struct {
	store   *Store
	session *infer.Session
	plan    plan
	next    int // where the segment under way ends
	after   func(computed int)
}

// NewText keeps what session computes from now on. The store may be nil: then the
// text is the session alone.
func NewText(store *Store, session *infer.Session) *Text {
	t := &Text{store: store, session: session, next: interval}
	if store != nil {
		session.OnBatch(func(int) { t.computed() })
	}
	return t
}

// Session is what computes the text.
func (t *Text) Session() *infer.Session { return t.session }

// Begin makes the session a text that is to become prompt, and returns how many
// of its first tokens need not be computed, at most as many as most. The others are
// to be appended then. When ctx ends nothing more is read, and there are more of them.
func (t *Text) Begin(ctx context.Context, prompt []int, most int) int {
	most = min(most, len(prompt))
	own := Common(t.session.IDs(), prompt[:most])
	known := 0
	if t.store != nil {
		known = t.store.Known(prompt, most)
	}
	if own < known || !t.session.Truncate(own) {
		own = t.restore(ctx, prompt, most)
	}
	if t.store != nil {
		t.plan = newPlan(t.store.shape.Window, prompt, t.store.start)
		t.next = t.plan.next(own)
	}
	return own
}

// restore makes the session what the store has of prompt.
func (t *Text) restore(ctx context.Context, prompt []int, most int) int {
	if t.store != nil {
		n, states := t.store.load(ctx, prompt, most)
		if n > 0 && t.session.Restore(prompt[:n], states) == nil {
			return n
		}
	}
	t.session.Reset()
	return 0
}

// Common is how many first tokens a and b have in common.
func Common(a, b []int) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// OnBatch has f called after each batch, with how many tokens of the text are computed
// then: what is to be kept of them is. It is not called where there is no store. Nil
// ends it. F may not use the text.
func (t *Text) OnBatch(f func(computed int)) { t.after = f }

// computed takes the segments that a batch has completed.
func (t *Text) computed() {
	for n := t.session.Len(); t.next <= n; t.next = t.plan.next(t.next) {
		t.store.keep(t.session.IDs()[:t.next], t.session.State)
	}
	if t.after != nil {
		t.after(t.session.Len())
	}
}

// Keep takes what was computed last too: a turn has ended, and the next one may go
// on from there.
func (t *Text) Keep() {
	if t.store != nil && t.session.Len() > 0 {
		t.store.keep(t.session.IDs(), t.session.State)
	}
}
