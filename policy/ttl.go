package policy

import (
	"iter"
	"math"

	"expertfs"
)

// ttl gives an expert a time to live, which every use renews. Time is counted in
// steps of each active stream, as the next() of the two-level MoE cache (Shinnku
// Nikaidou, 2025) counts it, whose NVMe manager evicted by time. Experts whose time
// is up go first, the oldest first. While there are none, the expert that was used
// last goes: its layer has just been visited and will not come again soon, as in
// least-stale eviction (SpecMD, arXiv 2602.03921).
type ttl struct {
	order list[lease] // front: used longest ago
	nodes map[expertfs.Key]*node[lease]
	life  float64 // steps
	now   float64 // steps so far, the mean of the active streams
	pace  pace
}

type lease struct {
	key  expertfs.Key
	used float64 // the time
}

// newTTL makes the policy with a life in tokens, one step for each layer.
func newTTL(s expertfs.Shape, p *params) *ttl {
	tokens := p.float("tokens", 1, 0, 1e6)
	return &ttl{nodes: map[expertfs.Key]*node[lease]{}, life: math.Floor(tokens * float64(s.Layers)), pace: newPace(s)}
}

func (p *ttl) Insert(k expertfs.Key, _ int64) {
	if _, ok := p.nodes[k]; ok {
		p.Touch(k)
		return
	}
	p.nodes[k] = p.order.pushBack(lease{k, p.now})
}

func (p *ttl) Touch(k expertfs.Key) {
	if n, ok := p.nodes[k]; ok {
		n.value.used = p.now
		p.order.moveToBack(n)
	}
}

func (p *ttl) Remove(k expertfs.Key) {
	if n, ok := p.nodes[k]; ok {
		p.order.remove(n)
		delete(p.nodes, k)
	}
}

func (p *ttl) Victims() iter.Seq[expertfs.Key] {
	return func(yield func(expertfs.Key) bool) {
		first := p.order.front
		for ; first != nil && p.now-first.value.used > p.life; first = first.next {
			if !yield(first.value.key) {
				return
			}
		}
		if first == nil {
			return
		}
		for n := p.order.back; ; n = n.prev {
			if !yield(n.value.key) || n == first {
				return
			}
		}
	}
}

func (p *ttl) Step(s Step) {
	p.pace.step(s)
	p.now += 1 / float64(p.pace.streams())
}

// EndStream takes a stream from the active ones.
func (p *ttl) EndStream(stream int) { p.pace.end(stream) }

func (p *ttl) Resize(int64) {}
