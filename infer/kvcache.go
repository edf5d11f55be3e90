package infer

// blockLen is the number of positions in a block of keys and values.
const blockLen = 64

// kvCache holds the keys and values of one layer of one session, in blocks of
// consecutive positions. A layer with a sliding window lets go of the blocks
// that no later position can see, so its memory is bounded by the window and
// the size of a batch.
type kvCache struct {
	heads   int
	headDim int
	window  int  // positions that a query sees, its own included; 0: all
	half    bool // elements are bfloat16, else float32

	first  int // the first block kept; lower ones are gone
	blocks []*kvBlock
	free   []*kvBlock // let go, to be used again
}

// kvBlock is blockLen positions of keys and values, [head][position][headDim]
// each, in the one element type or the other.
type kvBlock struct {
	k, v kvRows
}

// start is the first position that a query at position p sees.
func (c *kvCache) start(p int) int {
	if c.window == 0 {
		return 0
	}
	return max(0, p-c.window+1)
}

// grow makes room for positions up to end (not included), when the oldest query
// still to come is at position from.
func (c *kvCache) grow(from, end int) {
	for needed := c.start(from) / blockLen; c.first < needed && len(c.blocks) > 0; c.first++ {
		c.free = append(c.free, c.blocks[0])
		c.blocks = append(c.blocks[:0], c.blocks[1:]...)
	}
	for (c.first+len(c.blocks))*blockLen < end {
		c.blocks = append(c.blocks, c.newBlock())
	}
}

func (c *kvCache) newBlock() *kvBlock {
	if n := len(c.free); n > 0 {
		b := c.free[n-1]
		c.free = c.free[:n-1]
		return b
	}
	n := c.heads * blockLen * c.headDim
	return &kvBlock{k: newRows(n, c.half), v: newRows(n, c.half)}
}

// put stores the keys and values (heads*headDim each) of position p.
func (c *kvCache) put(p int, k, v []float32) {
	b := c.blocks[p/blockLen-c.first]
	for h := range c.heads {
		at := (h*blockLen + p%blockLen) * c.headDim
		b.k.set(at, k[h*c.headDim:(h+1)*c.headDim])
		b.v.set(at, v[h*c.headDim:(h+1)*c.headDim])
	}
}

// each calls f for every block's share of the positions first to end (not
// included), in order: n positions from position at, which are at offset in b.
func (c *kvCache) each(first, end int, f func(at, n int, b *kvBlock, offset int)) {
	for at := first; at < end; {
		offset := at % blockLen
		n := min(blockLen-offset, end-at)
		f(at, n, c.blocks[at/blockLen-c.first], offset)
		at += n
	}
}

// canCut tells whether a text cut to n positions can go on: what a query at
// position n sees must still be here.
func (c *kvCache) canCut(n int) bool { return c.start(n)/blockLen >= c.first }

// clear forgets all positions and keeps the memory.
func (c *kvCache) clear() {
	c.free = append(c.free, c.blocks...)
	c.blocks, c.first = c.blocks[:0], 0
}
