package infer

import (
	"fmt"
	"slices"
)

// State is what a session has of some positions of its text, so that another
// session can go on where it was: the keys and values of positions From to To
// (not included), and of sliding layers those of the last Window positions before
// To. With the States of all positions before, a text can go on at To, and one
// position before it, where logits of the last token are wanted again. Of up to
// Window positions nothing is missing, and it can go on at each.
//
// A State shares memory with the sessions that it came from and goes to. Nobody
// changes it, and it may be read by several goroutines.
type State struct {
	shape    *Shape
	from, to int
	layers   []stateLayer
}

// Shape is what the memory of sessions and their States depends on.
type Shape struct {
	Sliding []bool // by layer
	Window  int    // of sliding layers
	Heads   int    // of keys and values
	HeadDim int
	KV      KVKind

	// Of sessions alone.
	Vocab int
	Batch int // most tokens of a session that are computed together; Options.Batch
}

// stateLayer are the rows of one layer.
type stateLayer struct {
	first  int // position
	blocks []*kvBlock
}

// NewState makes a State of positions from to to (not included) whose bytes are
// still to be filled in.
func (s *Shape) NewState(from, to int) *State {
	st := &State{shape: s, from: from, to: to, layers: make([]stateLayer, len(s.Sliding))}
	for n := range st.layers {
		l := &st.layers[n]
		l.first = s.first(n, from, to)
		for i := l.first / blockLen; i*blockLen < to; i++ {
			l.blocks = append(l.blocks, newBlock(s.Heads, s.HeadDim, s.KV))
		}
	}
	return st
}

// first is the first position that a State has of layer n.
func (s *Shape) first(n, from, to int) int {
	if !s.Sliding[n] {
		return from
	}
	return max(from, to-s.Window)
}

// Bytes is the length of a State of positions from to to.
func (s *Shape) Bytes(from, to int) int64 {
	var rows int
	for n := range s.Sliding {
		rows += to - s.first(n, from, to)
	}
	return int64(rows) * int64(2*s.Heads*s.KV.rowBytes(s.HeadDim))
}

// Memory is the bytes that a State of positions from to to takes in memory. They are
// more than those of its rows, since blocks are kept whole.
func (s *Shape) Memory(from, to int) int64 {
	var blocks int
	for n := range s.Sliding {
		blocks += (to+blockLen-1)/blockLen - s.first(n, from, to)/blockLen
	}
	return int64(blocks) * blockLen * int64(2*s.Heads*s.KV.rowBytes(s.HeadDim))
}

// Reach is the last position, up to most, at which a text can go on with a State
// of positions from to to, and those before it.
func (s *Shape) Reach(from, to, most int) int {
	if most >= to {
		return to
	}
	if most == to-1 || to-from <= s.Window || !slices.Contains(s.Sliding, true) {
		return max(most, from)
	}
	return from
}

// From is the first position that the State has.
func (st *State) From() int { return st.from }

// To is the position after the last one.
func (st *State) To() int { return st.to }

// Memory is the bytes that the State keeps from being freed.
func (st *State) Memory() int64 { return st.shape.Memory(st.from, st.to) }

// Parts are the bytes of the State as files have them, little-endian numbers in
// the memory that they are kept in: a part for each layer, in pieces. Only one who
// has made the State by NewState and shown it to nobody may write to them.
func (st *State) Parts() [][][]byte {
	parts := make([][][]byte, len(st.layers))
	for n := range st.layers {
		l := &st.layers[n]
		l.each(l.first, st.to, func(b *kvBlock, lo, hi int) { parts[n] = b.appendBytes(parts[n], lo, hi) })
	}
	return parts
}

// each calls f for each block's share, rows lo to hi, of positions first to end.
func (l *stateLayer) each(first, end int, f func(b *kvBlock, lo, hi int)) {
	for at := first; at < end; {
		lo := at % blockLen
		hi := min(blockLen, lo+end-at)
		f(l.blocks[at/blockLen-l.first/blockLen], lo, hi)
		at += hi - lo
	}
}

// State returns what the session has of positions from to to (not included). That
// of positions after those that were computed by the last batch can be had; of
// earlier ones sliding layers may have let go, and then it is nil.
func (s *Session) State(from, to int) *State {
	if from < 0 || from >= to || to > s.Len() {
		return nil
	}
	shape := s.e.Shape()
	st := &State{shape: shape, from: from, to: to, layers: make([]stateLayer, len(s.cache))}
	for n, c := range s.cache {
		first := shape.first(n, from, to)
		if !c.has(first) {
			return nil
		}
		st.layers[n].first = first
		for i := first / blockLen; i*blockLen < to; i++ {
			b := &c.blocks[i-c.first]
			b.frozen = max(b.frozen, min(blockLen, to-i*blockLen))
			st.layers[n].blocks = append(st.layers[n].blocks, b.kvBlock)
		}
	}
	return st
}

// Restore makes ids the session's text, as if they had been computed. The States
// of path have them from 0 on, each from a position that the one before reaches.
// The session has no logits then.
func (s *Session) Restore(ids []int, path []*State) error {
	s.Reset()
	if err := s.e.Shape().check(len(ids), path); err != nil {
		return err
	}
	for n, c := range s.cache {
		c.restore(n, len(ids), path)
	}
	s.ids = append(s.ids, ids...)
	return nil
}

// check tells why a text of n tokens cannot go on with the States of path.
func (s *Shape) check(n int, path []*State) error {
	at := 0
	for i, st := range path {
		if !s.equal(st.shape) {
			return fmt.Errorf("state %d is of another model", i)
		}
		end := n
		if i+1 < len(path) {
			end = path[i+1].from
		}
		if st.from != at || s.Reach(st.from, st.to, end) != end {
			return fmt.Errorf("state %d has positions %d to %d, and cannot go from %d to %d", i, st.from, st.to, at, end)
		}
		at = end
	}
	if at != n {
		return fmt.Errorf("the states end at %d of %d positions", at, n)
	}
	return nil
}

// equal tells whether States of s and o are alike.
func (s *Shape) equal(o *Shape) bool {
	return slices.Equal(s.Sliding, o.Sliding) && s.Window == o.Window && s.Heads == o.Heads && s.HeadDim == o.HeadDim && s.KV == o.KV
}

// restore takes the rows of layer n that a query at position end sees from path.
func (c *kvCache) restore(n, end int, path []*State) {
	start := c.start(end)
	c.first, c.low = start/blockLen, start
	for i := c.first; i*blockLen < end; i++ {
		c.blocks = append(c.blocks, c.gather(n, i, max(start, i*blockLen), min(end, (i+1)*blockLen), path))
	}
}

// gather returns block i of layer n with positions lo to hi (not included), the
// block of a State if that has all of them.
func (c *kvCache) gather(n, i, lo, hi int, path []*State) keptBlock {
	own := keptBlock{}
	for p := len(path) - 1; hi > lo; p-- {
		l := &path[p].layers[n]
		first := max(lo, l.first)
		if first >= hi {
			continue
		}
		b := l.blocks[i-l.first/blockLen]
		if own.kvBlock == nil && first == lo {
			return keptBlock{b, blockLen}
		}
		if own.kvBlock == nil {
			own.kvBlock = c.newBlock()
		}
		own.copyRows(b, first-i*blockLen, hi-i*blockLen)
		hi = first
	}
	if own.kvBlock == nil { // a window of one position needs none before
		own.kvBlock = c.newBlock()
	}
	return own
}
