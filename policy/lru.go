package policy

import (
	"iter"

	"expertfs"
)

// lru evicts what was used longest ago. It is what operating systems do, and
// the baseline here: a token visits the layers in a circle, so below one
// token's worth of experts it evicts each just before it is used again.
type lru struct {
	order list[expertfs.Key] // front: used longest ago
	nodes map[expertfs.Key]*node[expertfs.Key]
}

func newLRU() *lru { return &lru{nodes: map[expertfs.Key]*node[expertfs.Key]{}} }

func (p *lru) Insert(k expertfs.Key, _ int64) {
	if n, ok := p.nodes[k]; ok {
		p.order.moveToBack(n)
		return
	}
	p.nodes[k] = p.order.pushBack(k)
}

func (p *lru) Touch(k expertfs.Key) {
	if n, ok := p.nodes[k]; ok {
		p.order.moveToBack(n)
	}
}

func (p *lru) Remove(k expertfs.Key) {
	if n, ok := p.nodes[k]; ok {
		p.order.remove(n)
		delete(p.nodes, k)
	}
}

func (p *lru) Victims() iter.Seq[expertfs.Key] { return p.order.all() }

func (p *lru) Step(Step)    {}
func (p *lru) Resize(int64) {}
