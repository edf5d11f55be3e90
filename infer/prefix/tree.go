package prefix

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"expertfs/infer"
)

// segment is a node of the tree. Its text and its place do not change; the rest is
// guarded by the Store's lock.
type segment struct {
	id       id
	parent   *segment // nil: the root, an empty segment at 0
	from, to int      // positions
	ids      []int32  // tokens at these positions

	children []*segment
	state    *infer.State // nil: not in RAM
	saved    bool         // there is a file
	queued   bool         // it will be written
	gone     bool         // no longer in the tree
	used     time.Time    // of any text through here

	reading chan struct{} // closed when who reads the file is through with it; nil: nobody does
}

// id names a segment by its text: a hash of its tokens and its parent's id.
type id [16]byte

func (i id) String() string { return hex.EncodeToString(i[:]) }

func newID(parent id, from int, ids []int32) (i id) {
	b := append([]byte("gptoss prefix 1\n"), parent[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(from))
	for _, t := range ids {
		b = binary.LittleEndian.AppendUint32(b, uint32(t))
	}
	sum := sha256.Sum256(b)
	copy(i[:], sum[:])
	return i
}

// tree is the segments of a Store. The Store's lock guards it.
type tree struct {
	shape *infer.Shape
	root  *segment
	byID  map[id]*segment // without the root
}

func newTree(shape *infer.Shape) tree {
	return tree{shape: shape, root: &segment{}, byID: make(map[id]*segment)}
}

// longest returns the furthest position, up to most, at which a text that begins
// with ids can go on, and the segment that reaches it.
func (t *tree) longest(ids []int, most int) (best *segment, at int) {
	best = t.root
	var walk func(s *segment)
	walk = func(s *segment) {
		end := s.from
		for end < s.to && end < len(ids) && int(s.ids[end-s.from]) == ids[end] {
			end++
		}
		if reach := t.shape.Reach(s.from, s.to, min(end, most)); reach > at && reach <= min(end, most) {
			best, at = s, reach
		}
		for _, c := range s.children {
			if c.from <= end && c.from < len(ids) && int(c.ids[0]) == ids[c.from] {
				walk(c)
			}
		}
	}
	walk(t.root)
	return best, at
}

// add makes the segment of positions from to len(ids) of a text, which parent
// reaches at from, or finds it.
func (t *tree) add(parent *segment, from int, ids []int32) *segment {
	i := newID(parent.id, from, ids)
	if s := t.byID[i]; s != nil {
		return s
	}
	s := &segment{id: i, parent: parent, from: from, to: from + len(ids), ids: ids}
	parent.children = append(parent.children, s)
	t.byID[i] = s
	return s
}

// remove takes s and what grows from it out of the tree, and tells each.
func (t *tree) remove(s *segment, each func(*segment)) {
	if s.gone || s.parent == nil {
		return
	}
	s.parent.children = slices.DeleteFunc(s.parent.children, func(c *segment) bool { return c == s })
	t.prune(s, each)
}

func (t *tree) prune(s *segment, each func(*segment)) {
	for _, c := range s.children {
		t.prune(c, each)
	}
	s.gone = true
	delete(t.byID, s.id)
	each(s)
}

// path returns the segments from the root's child to s.
func (s *segment) path() (all []*segment) {
	for ; s.parent != nil; s = s.parent {
		all = append(all, s)
	}
	slices.Reverse(all)
	return all
}
