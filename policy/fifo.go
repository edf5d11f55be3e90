package policy

import (
	"iter"

	"expertfs"
)

// fifo evicts what was loaded longest ago, used or not. It is the plainest
// order that needs no knowledge of uses.
type fifo struct{ order lru } // of loading, as nothing is touched

func newFIFO() *fifo { return &fifo{*newLRU()} }

// Insert leaves a resident in its place.
func (p *fifo) Insert(k expertfs.Key, bytes int64) {
	if !p.has(k) {
		p.order.Insert(k, bytes)
	}
}

func (p *fifo) has(k expertfs.Key) bool {
	_, ok := p.order.nodes[k]
	return ok
}

func (p *fifo) Touch(expertfs.Key)              {}
func (p *fifo) Remove(k expertfs.Key)           { p.order.Remove(k) }
func (p *fifo) Victims() iter.Seq[expertfs.Key] { return p.order.Victims() }
func (p *fifo) Step(Step)                       {}
func (p *fifo) Resize(int64)                    {}
