package policy

import (
	"iter"

	"expertfs"
)

// lruLayer gives each layer an equal part of the budget and keeps an LRU order
// in each: mixtral-offloading (Eliseev and Mazur, arXiv 2312.17238), and most
// engines that stream experts. The circle of the layers then does no harm, at
// the price that no layer can lend to another.
//
// A part binds as the choice of the layer to take from: the one whose
// residents, with the one that is about to come, exceed its part the most.
type lruLayer struct {
	shape   expertfs.Shape
	layers  []lru
	bytes   []int64                // of the residents, by layer
	size    map[expertfs.Key]int64 // of each resident
	current int                    // the layer visited last, where a key is about to come
	alien   lru                    // residents outside the model
}

func newLRULayer(s expertfs.Shape) *lruLayer {
	p := &lruLayer{shape: s, layers: make([]lru, s.Layers), bytes: make([]int64, s.Layers), size: map[expertfs.Key]int64{}, alien: *newLRU()}
	for l := range p.layers {
		p.layers[l] = *newLRU()
	}
	return p
}

// list is the order that k belongs to.
func (p *lruLayer) list(k expertfs.Key) *lru {
	if !p.shape.Contains(k) {
		return &p.alien
	}
	return &p.layers[k.Layer]
}

func (p *lruLayer) Insert(k expertfs.Key, bytes int64) {
	p.list(k).Insert(k, bytes)
	if p.shape.Contains(k) {
		p.bytes[k.Layer] += bytes - p.size[k]
		p.size[k] = bytes
		p.current = int(k.Layer)
	}
}

func (p *lruLayer) Touch(k expertfs.Key) {
	p.list(k).Touch(k)
	if p.shape.Contains(k) {
		p.current = int(k.Layer)
	}
}

func (p *lruLayer) Remove(k expertfs.Key) {
	p.list(k).Remove(k)
	if p.shape.Contains(k) {
		p.bytes[k.Layer] -= p.size[k]
		delete(p.size, k)
	}
}

func (p *lruLayer) Victims() iter.Seq[expertfs.Key] {
	return func(yield func(expertfs.Key) bool) {
		for k := range p.alien.Victims() {
			if !yield(k) {
				return
			}
		}
		heads := make([]*node[expertfs.Key], len(p.layers))
		left := make([]int64, len(p.layers))
		for l := range p.layers {
			heads[l], left[l] = p.layers[l].order.front, p.bytes[l]
		}
		left[p.current] += p.shape.ExpertBytes
		for {
			layer := none
			for l, n := range heads {
				if n != nil && (layer == none || left[l] > left[layer]) {
					layer = l
				}
			}
			if layer == none || !yield(heads[layer].value) {
				return
			}
			left[layer] -= p.size[heads[layer].value]
			heads[layer] = heads[layer].next
		}
	}
}

func (p *lruLayer) Step(s Step) {
	if s.Layer >= 0 && s.Layer < p.shape.Layers {
		p.current = s.Layer
	}
}

func (p *lruLayer) Resize(int64) {}
