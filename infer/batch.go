package infer

import (
	"errors"
	"fmt"
)

// Piece is what a batch adds to one session.
type Piece struct {
	Session *Session
	IDs     []int // the session's next tokens, at least one
	Logits  bool  // the session's Logits are wanted afterwards

	// Each is called in order with every token's position and logits, which it
	// must not keep, and may not use the session. A batch that fails may have called
	// it for some of them. May be nil.
	Each func(position int, logits []float32)
}

// row is a token of a batch: where it stands in which text.
type row struct {
	session  *Session
	piece    int  // of the batch
	position int  // in the session
	alone    bool // the only one of its piece, as tokens are that were generated
}

// positions are the places of a batch's tokens in their texts, and the rotations
// that belong there: one row for a token, half a head each.
type positions struct {
	rows     []row
	cos, sin vectors
}

// batchMemory is what a batch works in outside of the blocks.
type batchMemory struct {
	x        buffer // [n][H], the residual stream
	cos, sin buffer
	rows     []row
	ids      []int      // by row
	caches   []*kvCache // of a layer, by piece
	wanted   []int      // the rows whose logits are wanted
}

// fill lines up the tokens of all pieces.
func (m *batchMemory) fill(pieces []Piece) {
	m.rows, m.ids = m.rows[:0], m.ids[:0]
	m.caches = resize(m.caches, len(pieces))
	for i, p := range pieces {
		for t, id := range p.IDs {
			m.rows, m.ids = append(m.rows, row{p.Session, i, p.Session.Len() + t, len(p.IDs) == 1}), append(m.ids, id)
		}
	}
}

// release forgets the sessions of the last batch, which may be large.
func (m *batchMemory) release() {
	clear(m.rows)
	clear(m.caches)
}

// cachesOf returns the caches of a layer, by piece, with room for the batch.
func (m *batchMemory) cachesOf(layer int, pieces []Piece) []*kvCache {
	for i, p := range pieces {
		m.caches[i] = p.Session.cache[layer]
		m.caches[i].grow(p.Session.Len(), p.Session.Len()+len(p.IDs))
	}
	return m.caches
}

// rowsWanted are the rows whose logits somebody wants.
func (m *batchMemory) rowsWanted(pieces []Piece) []int {
	m.wanted = m.wanted[:0]
	for row, r := range m.rows {
		p := &pieces[r.piece]
		last := row+1 == len(m.rows) || m.rows[row+1].piece != r.piece
		if p.Each != nil || p.Logits && last {
			m.wanted = append(m.wanted, row)
		}
	}
	return m.wanted
}

// checkPieces tells why pieces are no batch of e.
func (e *Engine) checkPieces(pieces []Piece) error {
	if len(pieces) == 0 {
		return errors.New("the batch has no pieces")
	}
	for i, p := range pieces {
		if p.Session.e != e {
			return fmt.Errorf("piece %d of the batch is of another model's session", i)
		}
		if len(p.IDs) == 0 {
			return fmt.Errorf("piece %d of the batch has no tokens", i)
		}
		for j := range i {
			if pieces[j].Session == p.Session {
				return fmt.Errorf("pieces %d and %d of the batch are of one session", j, i)
			}
		}
		if err := p.Session.check(p.IDs); err != nil {
			return err
		}
	}
	return nil
}
