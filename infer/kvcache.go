package infer

// blockLen is the number of positions in a block of keys and values.
const blockLen = 64

// kvCache holds the keys and values of one layer of one session, in blocks of
// consecutive positions. A layer with a sliding window lets go of the blocks
// that no later position can see, so its memory is bounded by the window and
// the size of a batch.
//
// States of the session have blocks too (state.go). Rows that a State has are
// never written again: who would have to writes to a copy of the block.
type kvCache struct {
	heads   int
	headDim int
	window  int // positions that a query sees, its own included; 0: all
	kind    KVKind

	first  int // the first block kept; lower ones are gone
	low    int // positions below are not there, though their block may be
	blocks []keptBlock
	free   []*kvBlock // let go, to be used again
}

// keptBlock is a block, and how many of its rows belong to States as well.
type keptBlock struct {
	*kvBlock
	frozen int
}

// kvBlock is blockLen positions of keys and values, [head][position][headDim]
// each.
type kvBlock struct {
	k, v kvRows
}

func newBlock(heads, headDim int, kind KVKind) *kvBlock {
	return &kvBlock{k: newRows(heads, headDim, kind), v: newRows(heads, headDim, kind)}
}

// start is the first position that a query at position p sees.
func (c *kvCache) start(p int) int {
	if c.window == 0 {
		return 0
	}
	return max(0, p-c.window+1)
}

// grow makes room for positions from (the oldest query still to come) up to end
// (not included), where the caller may put keys and values then.
func (c *kvCache) grow(from, end int) {
	for needed := c.start(from) / blockLen; c.first < needed && len(c.blocks) > 0; c.first++ {
		c.recycle(c.blocks[0])
		c.blocks = append(c.blocks[:0], c.blocks[1:]...)
	}
	for i := from / blockLen; i < c.first+len(c.blocks); i++ {
		c.thaw(i, max(0, from-i*blockLen))
	}
	for (c.first+len(c.blocks))*blockLen < end {
		c.blocks = append(c.blocks, keptBlock{kvBlock: c.newBlock()})
	}
}

// thaw makes the rows of block i from row on writable.
func (c *kvCache) thaw(i, row int) {
	b := &c.blocks[i-c.first]
	if b.frozen <= row {
		return
	}
	own := c.newBlock()
	own.copyRows(b.kvBlock, 0, row)
	*b = keptBlock{kvBlock: own}
}

func (c *kvCache) newBlock() *kvBlock {
	if n := len(c.free); n > 0 {
		b := c.free[n-1]
		c.free = c.free[:n-1]
		return b
	}
	return newBlock(c.heads, c.headDim, c.kind)
}

// recycle keeps the memory of a block that nobody else has.
func (c *kvCache) recycle(b keptBlock) {
	if b.frozen == 0 {
		c.free = append(c.free, b.kvBlock)
	}
}

// put stores the keys and values (heads*headDim each) of position p.
func (c *kvCache) put(p int, k, v []float32) {
	b := c.blocks[p/blockLen-c.first]
	for h := range c.heads {
		row := h*blockLen + p%blockLen
		b.k.set(row, k[h*c.headDim:(h+1)*c.headDim])
		b.v.set(row, v[h*c.headDim:(h+1)*c.headDim])
	}
}

// each calls f for every block's share of the positions first to end (not
// included), in order: n positions from position at, which are at offset in b.
func (c *kvCache) each(first, end int, f func(at, n int, b *kvBlock, offset int)) {
	for at := first; at < end; {
		offset := at % blockLen
		n := min(blockLen-offset, end-at)
		f(at, n, c.blocks[at/blockLen-c.first].kvBlock, offset)
		at += n
	}
}

// has tells whether position p, which the text has, is still here.
func (c *kvCache) has(p int) bool { return p/blockLen >= c.first && p >= c.low }

// canCut tells whether a text cut to n positions can go on: what a query at
// position n sees must still be here.
func (c *kvCache) canCut(n int) bool { return c.has(c.start(n)) }

// clear forgets all positions and keeps the memory.
func (c *kvCache) clear() {
	for _, b := range c.blocks {
		c.recycle(b)
	}
	c.blocks, c.first, c.low = c.blocks[:0], 0, 0
}

// copyRows copies rows lo to hi (not included) of all heads.
func (b *kvBlock) copyRows(from *kvBlock, lo, hi int) {
	b.k.copyRows(&from.k, lo, hi)
	b.v.copyRows(&from.v, lo, hi)
}

// appendBytes appends the memory of rows lo to hi of all heads, in pieces, in
// their order in files: keys, then values.
func (b *kvBlock) appendBytes(pieces [][]byte, lo, hi int) [][]byte {
	return b.v.appendBytes(b.k.appendBytes(pieces, lo, hi), lo, hi)
}
