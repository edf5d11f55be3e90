package policy

import (
	"iter"

	"expertfs"
)

// s3fifo is S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: "FIFO queues are all you
// need for cache eviction", SOSP 2023). New keys enter a small queue; those
// used again before they reach its end move to the main queue, the others
// leave and are remembered for a while. A remembered key that comes back
// enters the main queue at once. Both queues are FIFO; the main one gives
// keys that were used another round.
type s3fifo struct {
	small, main list[expertfs.Key]
	nodes       map[expertfs.Key]*s3entry
	smallBytes  int64
	mainBytes   int64
	smallShare  float64
	ghost       ghosts
}

type s3entry struct {
	*node[expertfs.Key]
	bytes  int64
	uses   uint8 // since it entered the queue, up to 3
	inMain bool
}

func newS3FIFO(s expertfs.Shape, p *params) *s3fifo {
	f := &s3fifo{nodes: map[expertfs.Key]*s3entry{}, smallShare: p.float("small", 0.1, 0.01, 0.99)}
	f.Resize(s.Budget)
	return f
}

func (p *s3fifo) Insert(k expertfs.Key, bytes int64) {
	if e, ok := p.nodes[k]; ok {
		p.charge(e, bytes-e.bytes)
		e.bytes = bytes
		return
	}
	e := &s3entry{bytes: bytes, inMain: p.ghost.take(k)}
	if e.inMain {
		e.node = p.main.pushBack(k)
	} else {
		e.node = p.small.pushBack(k)
	}
	p.charge(e, bytes)
	p.nodes[k] = e
}

// charge adds bytes to the queue that e is in.
func (p *s3fifo) charge(e *s3entry, bytes int64) {
	if e.inMain {
		p.mainBytes += bytes
	} else {
		p.smallBytes += bytes
	}
}

func (p *s3fifo) Touch(k expertfs.Key) {
	if e, ok := p.nodes[k]; ok {
		e.uses = min(e.uses+1, 3)
	}
}

func (p *s3fifo) Remove(k expertfs.Key) {
	e, ok := p.nodes[k]
	if !ok {
		return
	}
	p.charge(e, -e.bytes)
	if e.inMain {
		p.main.remove(e.node)
	} else {
		p.small.remove(e.node)
		p.ghost.add(k, e.bytes)
	}
	delete(p.nodes, k)
}

// settle moves keys between the queues until the next victim stands at the
// head of one of them, and tells which. Every use is spent once, so the cost
// is constant per use.
func (p *s3fifo) settle() (fromSmall bool) {
	for {
		total := p.smallBytes + p.mainBytes
		if p.main.len == 0 || p.small.len > 0 && float64(p.smallBytes) >= p.smallShare*float64(total) {
			if p.small.len == 0 {
				return true
			}
			e := p.nodes[p.small.front.value]
			if e.uses == 0 {
				return true
			}
			p.small.remove(e.node)
			p.charge(e, -e.bytes)
			e.inMain, e.uses = true, 0
			p.main.link(e.node)
			p.charge(e, e.bytes)
			continue
		}
		e := p.nodes[p.main.front.value]
		if e.uses == 0 {
			return false
		}
		e.uses--
		p.main.moveToBack(e.node)
	}
}

func (p *s3fifo) Victims() iter.Seq[expertfs.Key] {
	return func(yield func(expertfs.Key) bool) {
		queues := []*list[expertfs.Key]{&p.main, &p.small}
		if p.settle() {
			queues[0], queues[1] = queues[1], queues[0]
		}
		for _, q := range queues {
			for k := range q.all() {
				if !yield(k) {
					return
				}
			}
		}
	}
}

func (p *s3fifo) Step(Step) {}

// Resize bounds what is remembered to as many bytes as the main queue's.
func (p *s3fifo) Resize(budget int64) {
	p.ghost.resize(int64((1 - p.smallShare) * float64(budget)))
}
