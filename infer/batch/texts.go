package batch

import (
	"context"
	"slices"
	"sync"

	"expertfs/infer"
)

// Texts are the sessions of an engine: those in use, and idle ones whose beginnings
// may be of use. Its methods may be called by several goroutines.
type Texts struct {
	engine *infer.Engine
	steps  *Scheduler
	keep   int // idle sessions, at most

	mu   sync.Mutex // guards what follows
	room room
	idle []*held // most recently used first
}

// held is a session and the memory that is set aside for it.
type held struct {
	*infer.Session
	bytes int64
}

// Text is a text in use. It is used by one goroutine at a time, until Close.
type Text struct {
	t *Texts
	h *held // nil: given up, or closed
}

// NewTexts returns texts of an engine whose keys and values take at most so many
// bytes. At most keep of them are kept when nobody uses them. Close ends them, not
// the engine.
func NewTexts(engine *infer.Engine, bytes int64, keep int) *Texts {
	t := &Texts{engine: engine, keep: keep}
	t.room = room{most: bytes, reclaim: t.dropOldest}
	t.steps = New(func(pieces []infer.Piece) (Part, error) { return engine.NewBatch(pieces...) }, Options{})
	return t
}

// Close ends what is computed. Texts are of no use then.
func (t *Texts) Close() { t.steps.Close() }

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

// Fits is the most tokens of a text whose keys and values take at most so many bytes.
func Fits(engine *infer.Engine, bytes int64) int {
	lo, hi := 0, engine.Context()
	for lo < hi {
		if n := (lo + hi + 1) / 2; Bytes(engine, n) <= bytes {
			lo = n
		} else {
			hi = n - 1
		}
	}
	return lo
}

// Bytes is what is set aside for a text of so many tokens.
func Bytes(engine *infer.Engine, tokens int) int64 {
	return engine.SessionBytes(tokens, infer.DefaultBatch)
}

// Prompt makes a text of ids, which are not empty, and tells how many of its first
// tokens did not have to be computed. Boundaries are the positions at which messages
// begin, ascending: where other texts will probably part from this one. With each,
// which sees the logits after every token in order and must not keep them, all are
// computed. It waits until there is room. Close must follow, but after an error.
func (t *Texts) Prompt(ctx context.Context, ids, boundaries []int, each func(int, []float32)) (*Text, int, error) {
	x := &Text{t: t}
	same, err := x.begin(ctx, ids, each == nil)
	if err != nil {
		return nil, 0, err
	}
	if err := t.steps.Append(ctx, x.h.Session, ids[same:], each); err != nil {
		x.Close()
		return nil, 0, err
	}
	return x, same, nil
}

// begin finds a session for ids, which begins like them if reuse is set and there is
// such a one, and makes room for them.
func (x *Text) begin(ctx context.Context, ids []int, reuse bool) (same int, err error) {
	t := x.t
	need := Bytes(t.engine, len(ids))
	if h, n := t.take(ids); h != nil {
		if reuse && n > 0 && h.Truncate(n) && t.grow(h, need) {
			x.h = h
			return n, nil
		}
		t.drop(h)
	}
	if err := t.reserve(ctx, need); err != nil {
		return 0, err
	}
	x.h = &held{t.engine.NewSession(), need}
	return 0, nil
}

// take returns the idle session that is most alike, and tells how many of its tokens
// are of use. Where only a small part of it would be left a new session is the better
// choice: a short question must not cost a long conversation. It is nil then.
func (t *Texts) take(ids []int) (*held, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	best, same := -1, 0
	for i, h := range t.idle {
		if n := common(h.IDs(), ids); n > same {
			best, same = i, n
		}
	}
	if best < 0 || same*2 < t.idle[best].Len() && len(t.idle) < t.keep {
		return nil, 0
	}
	if same*2 < t.idle[best].Len() { // one has to go: the one not used for longest
		best = len(t.idle) - 1
		same = common(t.idle[best].IDs(), ids)
	}
	h := t.idle[best]
	t.idle = slices.Delete(t.idle, best, best+1)
	return h, same
}

// common is how many tokens of prompt need not be computed. The last one always is,
// because its logits are needed.
func common(have, prompt []int) int {
	n := 0
	for n < len(prompt)-1 && n < len(have) && prompt[n] == have[n] {
		n++
	}
	return n
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

// drop gives up the memory of a session that nobody uses.
func (t *Texts) drop(h *held) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.room.free(h.bytes)
}

// dropOldest drops the idle session that was not used for longest, with the lock
// held.
func (t *Texts) dropOldest() bool {
	n := len(t.idle)
	if n == 0 {
		return false
	}
	t.room.used -= t.idle[n-1].bytes
	t.idle = t.idle[:n-1]
	return true
}

// Logits are the scores of the token after the text. They are not to be changed, and
// hold until the text does.
func (x *Text) Logits() []float32 { return x.h.Logits() }

// Append adds ids to the text. If there is no room for them the text gives its own
// up and is computed anew when there is.
func (x *Text) Append(ctx context.Context, ids []int) error {
	t := x.t
	if need := Bytes(t.engine, x.h.Len()+len(ids)); !t.grow(x.h, need) {
		ids = append(slices.Clone(x.h.IDs()), ids...)
		t.steps.Leave(x.h.Session)
		t.drop(x.h)
		x.h = nil
		if err := t.reserve(ctx, need); err != nil {
			return err
		}
		x.h = &held{t.engine.NewSession(), need}
	}
	return t.steps.Append(ctx, x.h.Session, ids, nil)
}

// Fork returns another text that goes on from where this one is; nil if there is no
// room for it, or the last tokens of this one were not computed.
func (x *Text) Fork() *Text {
	t := x.t
	h := &held{}
	t.mu.Lock()
	ok := len(t.room.waiting) == 0 && t.room.fit(x.h.bytes)
	t.mu.Unlock()
	if !ok {
		return nil
	}
	h.bytes = x.h.bytes
	if h.Session = x.h.Fork(); h.Session == nil {
		t.drop(h)
		return nil
	}
	return &Text{t, h}
}

// Close ends the use of the text. Its session is kept for a while.
func (x *Text) Close() {
	if x.h == nil {
		return
	}
	t, h := x.t, x.h
	x.h = nil
	t.steps.Leave(h.Session)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idle = slices.Insert(t.idle, 0, h)
	for len(t.idle) > t.keep {
		t.dropOldest()
	}
	t.room.serve()
}
