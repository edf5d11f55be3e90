package tiers

import "time"

// A reader may keep experts mapped between uses, which spares it the opens. What
// it keeps cannot be evicted, so it asks how much it may, once a token or so:
// its share of the budget. The shares follow what the readers do:
//
//   - Where all experts have room, nobody is in another's way, and each may keep
//     all. Below keepFrom of them the choice of victims is worth more than the
//     opens, and nobody keeps any.
//   - In between the experts of keepFree tokens stay free for eviction, and the
//     rest is divided among those who keep and step. A reader that stands still
//     while others step gets nothing; when none steps they divide it all.
//   - While an open waits for a slot all shares are halved again and again.
const (
	keepFrom = 0.75
	keepFree = 2

	squeezeEvery = 20 * time.Millisecond // halves the shares while an open waits
	squeezeLeast = 1. / 32               // below this they are nothing
	relaxEvery   = time.Second           // doubles them while none does
)

// squeeze is what is left of the shares while opens wait. The zero value is all.
//
// GUARDED BY guard.
type squeeze struct {
	taken float64 // of all, 0 to 1
	last  time.Time
}

// tighten is called while an open waits for a slot.
func (q *squeeze) tighten(now time.Time) {
	if now.Sub(q.last) < squeezeEvery {
		return
	}
	q.last = now
	if q.taken = (1 + q.taken) / 2; 1-q.taken < squeezeLeast {
		q.taken = 1
	}
}

// left is the part of the shares that may be had now.
func (q *squeeze) left(now time.Time) float64 {
	for q.taken > 0 && now.Sub(q.last) >= relaxEvery {
		q.last = q.last.Add(relaxEvery)
		q.taken = max(0, 1-2*max(1-q.taken, squeezeLeast))
	}
	return 1 - q.taken
}

// share computes a reader's share. The guard is held.
func (c *Cache) share(s *stream) int64 {
	budget, bytes := c.slots.budget, c.slots.bytes
	layer := int64(c.shape.Layers) * bytes
	all := layer * int64(c.shape.Experts)
	switch {
	case budget >= all:
		return budget
	case float64(budget) < keepFrom*float64(all) || !s.keeps:
		return 0
	}
	keepers, stepping := 0, c.streams.stepping() > 0
	for _, o := range c.streams.list {
		if o.keeps && (o.lively() || !stepping) {
			keepers++
		}
	}
	if keepers == 0 || stepping && !s.lively() {
		return 0
	}
	keepable := max(budget-keepFree*layer*int64(c.shape.TopK), 0) / int64(keepers)
	return int64(c.squeeze.left(time.Now())*float64(keepable)) / bytes * bytes
}
