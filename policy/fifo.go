package policy

// fifo evicts what was loaded longest ago, used or not. It is the plainest
// order that needs no knowledge of uses.
type fifo struct{ lru }

func newFIFO() *fifo { return &fifo{lru: *newLRU()} }

// Insert leaves a resident in its place.
func (p *fifo) Insert(k Key, bytes int64) {
	if _, ok := p.nodes[k]; !ok {
		p.lru.Insert(k, bytes)
	}
}

// Touch leaves the order as it is.
func (p *fifo) Touch(Key) {}
