package infer

import "slices"

// Drop takes the piece of a session out of a batch that is not over, between two
// stages, as somebody does who wants its text no longer. The other pieces go on as if
// it had not been there. The session has the tokens that it had before, without
// Logits. A batch without pieces is over.
func (b *Batch) Drop(s *Session) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	piece := slices.IndexFunc(b.pieces, func(p Piece) bool { return p.Session == s })
	if b.over != nil || piece < 0 {
		return
	}
	if b.mem != nil {
		b.dropRows(piece)
		s.logits = nil
	}
	if b.pieces = slices.Delete(slices.Clone(b.pieces), piece, piece+1); len(b.pieces) == 0 {
		b.over = errOver
		if b.mem != nil {
			b.end(nil)
		}
	}
}

// dropRows takes the rows of a piece out of all that goes from one stage to the next.
func (b *Batch) dropRows(piece int) {
	m := b.mem
	for _, row := range m.rowsWanted(b.pieces)[:b.scored] {
		if m.rows[row].piece == piece {
			b.scored--
		}
	}
	first := slices.IndexFunc(m.rows, func(r row) bool { return r.piece == piece })
	end := first + len(b.pieces[piece].IDs)
	for i := range m.rows[end:] {
		m.rows[end+i].piece--
	}
	m.rows, m.ids = slices.Delete(m.rows, first, end), slices.Delete(m.ids, first, end)
	m.caches = slices.Delete(m.caches, piece, piece+1)
	b.x = b.x.without(first, end)
	b.at = positions{m.rows, b.at.cos.without(first, end), b.at.sin.without(first, end)}
}

// without takes vectors first to end (not included) out, in place.
func (v vectors) without(first, end int) vectors {
	copy(v.data[first*v.width:], v.data[end*v.width:v.n*v.width])
	n := v.n - (end - first)
	return vectors{n, v.width, v.data[:n*v.width]}
}
