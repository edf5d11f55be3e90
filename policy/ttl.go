package policy

import "iter"

// ttl gives an expert a time to live, which every use renews. Time is counted
// in steps; the step is the next() of the two-level MoE cache (Shinnku
// Nikaidou, 2025) whose NVMe manager evicted by time. Experts whose time is up
// go first, oldest first. When nobody's is, the one used last goes: its layer
// has just been visited, so it is the one that cannot be wanted soon, as in
// least-stale eviction (SpecMD, arXiv 2602.03921).
type ttl struct {
	order list[lease] // front: used longest ago
	nodes map[Key]*node[lease]
	life  int // steps
	now   int // steps so far
}

type lease struct {
	key  Key
	used int // the step
}

// newTTL makes the policy with a life in tokens, one step for each layer.
func newTTL(s Shape, p *params) *ttl {
	tokens := p.float("tokens", 1, 0, 1e6)
	return &ttl{nodes: map[Key]*node[lease]{}, life: int(tokens * float64(s.Layers))}
}

func (p *ttl) Insert(k Key, _ int64) {
	if _, ok := p.nodes[k]; ok {
		p.Touch(k)
		return
	}
	p.nodes[k] = p.order.pushBack(lease{k, p.now})
}

func (p *ttl) Touch(k Key) {
	if n, ok := p.nodes[k]; ok {
		n.value.used = p.now
		p.order.moveToBack(n)
	}
}

func (p *ttl) Remove(k Key) {
	if n, ok := p.nodes[k]; ok {
		p.order.remove(n)
		delete(p.nodes, k)
	}
}

func (p *ttl) Victims() iter.Seq[Key] {
	return func(yield func(Key) bool) {
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

func (p *ttl) Step(Step)    { p.now++ }
func (p *ttl) Resize(int64) {}
