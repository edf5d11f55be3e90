package policy

import (
	"iter"

	"expertfs"
)

// arc is the adaptive replacement cache (Megiddo and Modha, FAST 2003): one
// LRU list of keys used once since they were loaded and one of keys used more
// often, with ghosts of what each evicted. A miss that hits a ghost moves the
// target size of the first list towards the list that should have been
// longer. All sizes are in bytes. The victim is chosen before the missing key
// is known, so the tie that the paper breaks by the missing key is not.
type arc struct {
	once, often           list[ghost]
	nodes                 map[expertfs.Key]*arcEntry
	onceBytes, oftenBytes int64
	onceGone, oftenGone   ghosts
	target                int64 // of onceBytes
	budget                int64
}

type arcEntry struct {
	*node[ghost]
	often bool
}

func newARC(s expertfs.Shape) *arc {
	p := &arc{nodes: map[expertfs.Key]*arcEntry{}}
	p.Resize(s.Budget)
	return p
}

func (p *arc) Insert(k expertfs.Key, bytes int64) {
	if e, ok := p.nodes[k]; ok {
		p.charge(e, bytes-e.value.bytes)
		e.value.bytes = bytes
		return
	}
	e := &arcEntry{}
	switch onceLen, oftenLen := p.onceGone.bytes, p.oftenGone.bytes; {
	case p.onceGone.take(k):
		p.adapt(bytes * max(1, oftenLen/max(onceLen, 1)))
		e.often = true
	case p.oftenGone.take(k):
		p.adapt(-bytes * max(1, onceLen/max(oftenLen, 1)))
		e.often = true
	}
	e.node = p.list(e).pushBack(ghost{k, bytes})
	p.charge(e, bytes)
	p.nodes[k] = e
}

// adapt moves the target.
func (p *arc) adapt(by int64) { p.target = min(max(p.target+by, 0), max(p.budget, 0)) }

func (p *arc) list(e *arcEntry) *list[ghost] {
	if e.often {
		return &p.often
	}
	return &p.once
}

func (p *arc) charge(e *arcEntry, bytes int64) {
	if e.often {
		p.oftenBytes += bytes
	} else {
		p.onceBytes += bytes
	}
}

func (p *arc) Touch(k expertfs.Key) {
	e, ok := p.nodes[k]
	if !ok {
		return
	}
	p.list(e).remove(e.node)
	p.charge(e, -e.value.bytes)
	e.often = true
	p.often.link(e.node)
	p.charge(e, e.value.bytes)
}

func (p *arc) Remove(k expertfs.Key) {
	e, ok := p.nodes[k]
	if !ok {
		return
	}
	p.list(e).remove(e.node)
	p.charge(e, -e.value.bytes)
	delete(p.nodes, k)
	if e.often {
		p.oftenGone.add(k, e.value.bytes)
	} else {
		p.onceGone.add(k, e.value.bytes)
	}
}

func (p *arc) Victims() iter.Seq[expertfs.Key] {
	return func(yield func(expertfs.Key) bool) {
		lists := []*list[ghost]{&p.often, &p.once}
		if p.onceBytes > p.target || p.often.len == 0 {
			lists[0], lists[1] = lists[1], lists[0]
		}
		for _, l := range lists {
			for g := range l.all() {
				if !yield(g.key) {
					return
				}
			}
		}
	}
}

func (p *arc) Step(Step) {}

func (p *arc) Resize(budget int64) {
	p.budget = budget
	p.onceGone.resize(budget)
	p.oftenGone.resize(budget)
	p.adapt(0)
}
