package infer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"expertfs/infer/experts"
	"expertfs/infer/mapped"
)

// Run adds pieces to different sessions in one batch: each weight is read, and each
// expert opened, once for all of them. What a session gets does not depend on its
// company. The sessions are not to be used meanwhile. A batch needs memory for all
// of its tokens at once (Options.Batch bounds that of Append only).
//
// When ctx ends Run returns its error, between two layers. After an error all
// sessions hold the tokens that they had before, without Logits, and each piece may
// be tried again, alone or in other company.
func (e *Engine) Run(ctx context.Context, pieces ...Piece) error {
	if len(pieces) == 0 {
		return nil
	}
	if err := e.checkPieces(pieces); err != nil {
		return err
	}
	return e.compute(ctx, pieces)
}

// compute runs forward when no other batch is computed.
func (e *Engine) compute(ctx context.Context, pieces []Piece) (err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return errClosed
	}
	defer e.publish()
	defer e.machine.enter()()
	for _, p := range pieces {
		p.Session.logits = nil // of a token that is the last no longer, should the batch fail
	}
	began := time.Now()
	done := false
	e.batch.fill(pieces)
	defer e.batch.release()
	n := len(e.batch.rows)
	if err := e.begin(ctx, n); err != nil {
		return err
	}
	defer func() {
		if !done {
			e.lost = experts.Gone(err)
			err = errors.Join(err, e.experts.Abandon())
		}
	}()
	if err := e.forward(ctx, pieces); err != nil {
		return err
	}
	took := time.Since(began)
	for _, p := range pieces {
		p.Session.add(p.IDs)
	}
	e.stats.Tokens += n
	e.stats.Elapsed += took
	done = true
	return e.experts.End(took)
}

// forward runs the model over the tokens of a batch, which is filled, and computes
// the logits that are wanted.
func (e *Engine) forward(ctx context.Context, pieces []Piece) error {
	b := &e.batch
	x := b.x.take(len(b.rows), e.cfg.Hidden)
	if err := embed(e.dense.embedding, x, b.ids); err != nil {
		return err
	}
	at := e.rope.positions(b.rows)
	for n, l := range e.layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := mapped.Guard(func() error { return l.forward(x, b.cachesOf(n, pieces), at) }); err != nil {
			return fmt.Errorf("layer %d: %w", n, err)
		}
	}
	return mapped.Guard(func() error {
		e.logits(x, pieces)
		return nil
	})
}

// logits computes the scores of the rows of x whose logits somebody wants, those of
// several pieces together.
func (e *Engine) logits(x vectors, pieces []Piece) {
	for wanted := e.batch.rowsWanted(pieces); len(wanted) > 0; {
		rows := wanted[:min(len(wanted), logitsTogether)]
		wanted = wanted[len(rows):]
		logits := e.head.forward(x, rows)
		for i, row := range rows {
			r := e.batch.rows[row]
			p := &pieces[r.piece]
			if p.Each != nil {
				p.Each(r.position, logits.at(i))
			}
			if p.Logits && r.position == p.Session.Len()+len(p.IDs)-1 {
				p.Session.logits = append(p.Session.logits[:0], logits.at(i)...)
			}
		}
	}
}
