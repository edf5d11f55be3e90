package batch

import (
	"context"
	"slices"

	"expertfs/infer/prefix"
)

// Text is a text in use. It is used by one goroutine at a time, until Close.
//
// While it waits for its first Append it is a spare: its memory may be taken, and it
// is computed anew then.
type Text struct {
	t      *Texts
	h      *held     // nil: given up, or closed
	ids    []int     // of a text that was given up
	logits []float32 // of a spare
}

// open finds a session for a text of ids, and makes room for it.
func (x *Text) open(ctx context.Context, ids []int) error {
	t := x.t
	need := t.engine.SessionBytes(len(ids))
	if h := t.take(ids); h != nil {
		if t.grow(h, need) {
			x.h = h
			return nil
		}
		t.drop(h.bytes)
	}
	if err := t.reserve(ctx, need); err != nil {
		return err
	}
	x.h = t.newHeld(need)
	return nil
}

// giveUp forgets the session of a text, and returns what was set aside for it.
func (x *Text) giveUp() int64 {
	h := x.h
	x.h, x.ids = nil, slices.Clone(h.Session().IDs())
	return h.bytes
}

// Logits are the scores of the token after the text. They are not to be changed, and
// hold until the text does.
func (x *Text) Logits() []float32 {
	if x.logits != nil {
		return x.logits
	}
	return x.h.Session().Logits()
}

// Substituted is infer.Session's, of the session that the text has now.
func (x *Text) Substituted() int {
	x.t.mu.Lock()
	defer x.t.mu.Unlock()
	if x.h == nil { // a spare's may be taken at any time
		return 0
	}
	return x.h.Session().Substituted()
}

// Append adds ids to the text. If there is no room for them the text gives its own
// up and is computed anew when there is.
func (x *Text) Append(ctx context.Context, ids []int) error {
	t := x.t
	x.claim()
	if x.h != nil && !t.grow(x.h, t.engine.SessionBytes(x.h.Session().Len()+len(ids))) {
		t.steps.Leave(x.h.Session())
		t.drop(x.giveUp())
	}
	if x.h == nil {
		all := append(slices.Clone(x.ids), ids...)
		if err := x.open(ctx, all); err != nil {
			return err
		}
		x.ids = nil
		ids = all[x.h.Begin(ctx, all, len(all)-1):]
	}
	return t.steps.Append(ctx, x.h.Session(), ids, nil)
}

// claim makes a spare an ordinary text.
func (x *Text) claim() {
	if x.logits == nil {
		return
	}
	t := x.t
	t.mu.Lock()
	defer t.mu.Unlock()
	x.logits = nil
	if i := slices.Index(t.spares, x); i >= 0 {
		t.spares = slices.Delete(t.spares, i, i+1)
	}
}

// Fork returns another text that goes on from where this one is; nil if there is no
// room for it, or the last tokens of this one were not computed.
func (x *Text) Fork() *Text {
	t, bytes := x.t, x.h.bytes
	t.mu.Lock()
	ok := len(t.room.waiting) == 0 && t.room.used+bytes <= t.room.most
	if ok {
		t.room.used += bytes
	}
	t.mu.Unlock()
	if !ok {
		return nil
	}
	session := x.h.Session().Fork()
	if session == nil {
		t.drop(bytes)
		return nil
	}
	f := &Text{t: t, h: &held{prefix.NewText(t.store, session), bytes}, logits: session.Logits()}
	f.h.Begin(context.Background(), session.IDs(), session.Len()) // it is there already
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spares = append(t.spares, f)
	t.room.serve()
	return f
}

// Close ends the use of the text. Its session is kept for a while.
func (x *Text) Close() {
	t := x.t
	x.claim()
	h := x.h
	if h == nil {
		return
	}
	x.h = nil
	t.steps.Leave(h.Session())
	h.Keep()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idle = slices.Insert(t.idle, 0, h)
	if len(t.idle) > t.keep {
		t.reclaim()
	}
	t.room.serve()
}
