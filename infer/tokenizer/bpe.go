package tokenizer

import (
	"cmp"
	"context"
	"math"
)

// merges tells which neighbours become one token, and in what order.
type merges interface {
	// merge returns the token that left and right make, whose bytes are
	// joined, and the rank of that merge: lower ranks go first.
	merge(left, right int32, joined string) (rank, id int32, ok bool)
}

// rankMerges merges any two neighbours whose bytes together are a token. The
// rank is that token's id.
type rankMerges map[string]int32

func (m rankMerges) merge(_, _ int32, joined string) (rank, id int32, ok bool) {
	id, ok = m[joined]
	return id, id, ok
}

// pairMerges merges only the listed pairs of tokens.
type pairMerges map[[2]int32]struct{ rank, id int32 }

func (m pairMerges) merge(left, right int32, _ string) (rank, id int32, ok bool) {
	v, ok := m[[2]int32{left, right}]
	return v.rank, v.id, ok
}

// part is a token of the piece under work. Its index is where its bytes start;
// they end where the next part starts. Parts form a list; -1 ends it.
type part struct {
	prev, next int32
	id         int32
}

// proposal is a possible merge of the part at left with its next one, whose
// bytes end at end. It is void when either part has changed since.
type proposal struct {
	rank, id  int32
	left, end int32
}

func (a proposal) compare(b proposal) int {
	return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.left, b.left))
}

// merger holds the working memory for pieces, one after the other.
type merger struct {
	vocab *vocabulary
	ctx   context.Context
	parts []part     // one for each byte of the piece
	queue []proposal // a heap, best first
}

// longPiece is from how many bytes on a piece is looked at before it is merged,
// and how many steps of its merging pass between two looks at the context.
const longPiece = 1 << 14

// appendPiece appends the tokens of one piece to ids, which may come to most in
// all. Its time is n log n in the length of the piece, whatever the text.
func (m *merger) appendPiece(ids []int, piece string, most int) ([]int, error) {
	if m.vocab.wholePieces {
		if id, ok := m.vocab.ids[piece]; ok {
			return append(ids, int(id)), checkRoom(ids, most-1)
		}
	}
	if len(piece) >= longPiece {
		if err := m.checkLong(piece, most-len(ids)); err != nil {
			return ids, err
		}
	}
	m.parts, m.queue = m.parts[:0], m.queue[:0]
	for i := range len(piece) {
		m.parts = append(m.parts, part{prev: int32(i - 1), next: int32(i + 1), id: m.vocab.byteID[piece[i]]})
	}
	m.parts[len(piece)-1].next = -1
	for i := range m.parts {
		m.propose(piece, int32(i))
	}
	for steps := 1; len(m.queue) > 0; steps++ {
		m.apply(piece, m.pop())
		if steps%longPiece == 0 && m.ctx.Err() != nil {
			return ids, m.ctx.Err()
		}
	}
	for i := int32(0); i >= 0; i = m.parts[i].next {
		ids = append(ids, int(m.parts[i].id))
	}
	return ids, checkRoom(ids, most)
}

// checkLong refuses a piece that cannot be made of so few tokens as there is
// room for: merging takes some 40 bytes of memory for each of its own. No token
// of the piece is longer than the longest one made of the bytes that it has.
func (m *merger) checkLong(piece string, room int) error {
	var has [256]bool
	for i := range len(piece) {
		has[piece[i]] = true
	}
	longest := 1
	for _, token := range m.vocab.tokens {
		if len(token) > longest && madeOf(token, &has) {
			longest = len(token)
		}
	}
	if len(piece)/longest > room || len(piece) > math.MaxInt32 {
		return ErrTooLong
	}
	return m.ctx.Err()
}

func madeOf(token string, has *[256]bool) bool {
	for i := range len(token) {
		if !has[token[i]] {
			return false
		}
	}
	return true
}

// end returns where the bytes of part i end.
func (m *merger) end(piece string, i int32) int32 {
	if next := m.parts[i].next; next >= 0 {
		return next
	}
	return int32(len(piece))
}

// propose queues the merge of part left with its next one, if there is one.
func (m *merger) propose(piece string, left int32) {
	l := m.parts[left]
	if l.next < 0 {
		return
	}
	end := m.end(piece, l.next)
	rank, id, ok := m.vocab.merges.merge(l.id, m.parts[l.next].id, piece[left:end])
	if ok {
		m.push(proposal{rank, id, left, end})
	}
}

// apply carries p out unless it is void. Boundaries between parts only ever
// vanish, so two parts that still span the same bytes are the same two parts.
func (m *merger) apply(piece string, p proposal) {
	l := &m.parts[p.left]
	if l.id < 0 || l.next < 0 || m.end(piece, l.next) != p.end {
		return
	}
	gone := &m.parts[l.next]
	l.id, l.next = p.id, gone.next
	gone.id = -1
	if l.next >= 0 {
		m.parts[l.next].prev = p.left
	}
	if l.prev >= 0 {
		m.propose(piece, l.prev)
	}
	m.propose(piece, p.left)
}

func (m *merger) push(p proposal) {
	m.queue = append(m.queue, p)
	q := m.queue
	for i := len(q) - 1; i > 0; {
		up := (i - 1) / 2
		if q[up].compare(q[i]) <= 0 {
			return
		}
		q[up], q[i] = q[i], q[up]
		i = up
	}
}

func (m *merger) pop() proposal {
	q := m.queue
	top, n := q[0], len(q)-1
	q[0] = q[n]
	q = q[:n]
	m.queue = q
	for i := 0; ; {
		child := 2*i + 1
		if child >= n {
			return top
		}
		if child+1 < n && q[child+1].compare(q[child]) < 0 {
			child++
		}
		if q[i].compare(q[child]) <= 0 {
			return top
		}
		q[i], q[child] = q[child], q[i]
		i = child
	}
}
