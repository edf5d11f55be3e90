package batch

import (
	"context"
	"slices"

	"expertfs/infer/prefix"
)

// Prompts that come at once often begin alike: an agent has begun several others, a
// form is filled in many times. What two of them have in common is computed by the one
// that came first. The other waits until the store has it, and then goes on from there.

// entering is a prompt on its way into the model.
type entering struct {
	course   *prefix.Course
	tokens   int           // of the prompt
	computed int           // of them, or known before
	changed  chan struct{} // closed when computed has changed, or the prompt has left
}

// leastCommon is from how many tokens on somebody waits for what he has in common with
// another.
const leastCommon = 64

// enter has a prompt wait for what others before it compute for it too, as far as that
// is to be of use up to position most, and takes it among those that others wait for;
// leave must follow, but after an error. It is nil where nothing is stored.
func (t *Texts) enter(ctx context.Context, ids []int, most int) (*entering, error) {
	if t.store == nil {
		return nil, nil
	}
	known := -1 // not asked yet: that may look into a folder
	for {
		t.mu.Lock()
		ahead := t.ahead(ids, most, max(known, 0))
		if ahead == nil {
			e := &entering{course: t.store.Course(ids, 0), tokens: len(ids), changed: make(chan struct{})}
			t.entering = append(t.entering, e)
			t.mu.Unlock()
			return e, nil
		}
		changed := ahead.changed
		t.mu.Unlock()
		if known < 0 {
			known = t.store.Known(ids, most)
			continue
		}
		select {
		case <-changed:
			known = -1
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// ahead returns the prompt that computes what is worth to be waited for; nil if none
// does. To wait for it must be quicker than to compute it too, which takes each of two
// twice as long, and a brief prompt, which goes before others, does not wait for them.
// What is known of ids is known of the other too, though it may not have begun. The lock
// is held.
func (t *Texts) ahead(ids []int, most, known int) *entering {
	for _, e := range t.entering {
		reach, computed := e.course.Meets(ids, most)
		done := max(e.computed, known)
		gain, wait := reach-known, computed-done
		brief := 2*(most-known) <= min(e.tokens-done, t.steps.o.Whole)
		if wait > 0 && gain >= leastCommon && wait <= 2*gain && !brief {
			return e
		}
	}
	return nil
}

// begin tells how much of a prompt is known, and has those who wait for it follow what
// is computed of it.
func (t *Texts) begin(e *entering, h *held, ids []int, known int) {
	if e == nil {
		return
	}
	course := t.store.Course(ids, known)
	t.mu.Lock()
	e.course = course
	t.mu.Unlock()
	t.progress(e, known)
	h.OnBatch(func(computed int) { t.progress(e, computed) })
}

// progress wakes those who wait for e.
func (t *Texts) progress(e *entering, computed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.computed = computed
	close(e.changed)
	e.changed = make(chan struct{})
}

// leave is told that a prompt was computed, or could not be.
func (t *Texts) leave(e *entering) {
	if e == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entering = slices.DeleteFunc(t.entering, func(x *entering) bool { return x == e })
	close(e.changed)
}
