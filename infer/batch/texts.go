package batch

import (
	"context"
	"slices"
	"sync"

	"expertfs/infer"
	"expertfs/infer/prefix"
)

// Texts are the sessions of an engine: those in use, and idle ones whose beginnings
// may be of use. Its methods may be called by several goroutines.
type Texts struct {
	engine *infer.Engine
	store  *prefix.Store // nil: there is none
	steps  *Scheduler
	keep   int // idle sessions, at most

	warming sync.WaitGroup

	mu       sync.Mutex // guards what follows
	room     room
	idle     []*held     // most recently used first
	spares   []*Text     // that wait for their first Append
	entering []*entering // prompts, in order of arrival
}

// held is a session and the memory that is set aside for it.
type held struct {
	*prefix.Text
	bytes int64
}

func (t *Texts) newHeld(bytes int64) *held {
	return &held{prefix.NewText(t.store, t.engine.NewSession()), bytes}
}

// NewTexts returns texts of an engine that take at most so many bytes, as
// infer.Engine.SessionBytes counts them. At most keep of them are kept when nobody uses
// them. What the store has comes beside that; it may be nil. Close ends the texts, not
// the engine and the store.
func NewTexts(engine *infer.Engine, store *prefix.Store, bytes int64, keep int) *Texts {
	t := &Texts{engine: engine, store: store, keep: keep}
	t.room = room{most: bytes, reclaim: t.reclaim}
	shape := engine.Shape()
	t.steps = New(
		func(pieces []infer.Piece) (Batch, error) { return engine.NewBatch(pieces...) },
		Options{Chunk: min(DefaultChunk, shape.Batch), Whole: shape.Batch, Stages: 2 * len(shape.Sliding)},
	)
	return t
}

// Warm does what the first prompt would wait for, until ctx ends: it reads the
// prefixes used last into RAM, and computes the last token of the text used last.
// That step brings the experts and all memory that a step needs into the page tables,
// and the text is an idle one then. An error is left to the first prompt. What is on
// its way when ctx ends, of a text or an expert, is not waited for.
func (t *Texts) Warm(ctx context.Context) {
	if t.store == nil {
		return
	}
	done := make(chan struct{})
	t.warming.Go(func() {
		defer close(done)
		t.warm(ctx)
	})
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (t *Texts) warm(ctx context.Context) {
	t.store.Warm(ctx)
	ids := t.store.Latest()
	if len(ids) == 0 || len(ids) > t.Context() || ctx.Err() != nil {
		return
	}
	x := &Text{t: t}
	if x.open(ctx, ids) != nil {
		return
	}
	known := x.h.Begin(ctx, ids, len(ids)-1)
	if known < len(ids)-1 { // not all was read, and a part would be taken for the text used last
		t.drop(x.giveUp())
		return
	}
	_ = t.steps.Append(ctx, x.h.Session(), ids[known:], nil)
	x.Close()
}

// Close ends what is computed. Texts are of no use then.
func (t *Texts) Close() {
	t.steps.Close()
	t.warming.Wait()
}

// Stats counts batches.
func (t *Texts) Stats() Stats { return t.steps.Stats() }

// Used is the bytes that are set aside for texts, in use and idle.
func (t *Texts) Used() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.room.used
}

// Context is the most tokens of a text: as many as the engine allows and the memory
// has room for.
func (t *Texts) Context() int { return Fits(t.engine, t.room.most) }

// Fits is the most tokens of a text that takes at most so many bytes.
func Fits(engine *infer.Engine, bytes int64) int {
	lo, hi := 0, engine.Context()
	for lo < hi {
		if n := (lo + hi + 1) / 2; engine.SessionBytes(n) <= bytes {
			lo = n
		} else {
			hi = n - 1
		}
	}
	return lo
}

// Prompt makes a text of ids, which are not empty, and tells how many of its first
// tokens did not have to be computed. With each, which sees the logits after every
// token in order and must not keep them, all are computed. It waits until there is
// room, and for what another prompt that is being computed has in common with this one.
// Close must follow, but after an error.
func (t *Texts) Prompt(ctx context.Context, ids []int, each func(int, []float32)) (*Text, int, error) {
	most := len(ids) - 1 // the last one always is computed, because its logits are needed
	if each != nil {
		most = 0
	}
	e, err := t.enter(ctx, ids, most)
	if err != nil {
		return nil, 0, err
	}
	defer t.leave(e)
	x := &Text{t: t}
	if err := x.open(ctx, ids); err != nil {
		return nil, 0, err
	}
	same := x.h.Begin(ctx, ids, most)
	t.begin(e, x.h, ids, same)
	err = t.steps.Append(ctx, x.h.Session(), ids[same:], each)
	x.h.OnBatch(nil)
	if err != nil {
		x.Close()
		return nil, 0, err
	}
	return x, same, nil
}

// take returns the idle session that is most alike. Where only a small part of it
// would be left a new session is the better choice: a short question must not cost a
// long conversation. It is nil then.
func (t *Texts) take(ids []int) *held {
	t.mu.Lock()
	defer t.mu.Unlock()
	best, same := -1, 0
	for i, h := range t.idle {
		if n := prefix.Common(h.Session().IDs(), ids); n > same {
			best, same = i, n
		}
	}
	if best < 0 || same*2 < t.idle[best].Session().Len() {
		return nil
	}
	h := t.idle[best]
	t.idle = slices.Delete(t.idle, best, best+1)
	return h
}

// grow sets aside need bytes for h in all, if they are there.
func (t *Texts) grow(h *held, need int64) bool {
	if need <= h.bytes {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.room.fit(need - h.bytes) {
		return false
	}
	h.bytes = need
	return true
}

// drop gives back what was set aside.
func (t *Texts) drop(bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.room.free(bytes)
}

// reclaim makes memory free with the lock held: the idle session that was not used
// for longest, or a spare's.
func (t *Texts) reclaim() bool {
	if n := len(t.idle); n > 0 {
		t.room.used -= t.idle[n-1].bytes
		t.idle = t.idle[:n-1]
		return true
	}
	if n := len(t.spares); n > 0 {
		t.room.used -= t.spares[n-1].giveUp()
		t.spares = t.spares[:n-1]
		return true
	}
	return false
}
