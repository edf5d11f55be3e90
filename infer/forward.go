package infer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"expertfs/infer/experts"
	"expertfs/infer/mapped"
)

// Batch is pieces of different sessions that go through the layers together: each
// weight is read, and each expert opened, once for all of them. What a session gets
// does not depend on its company. A batch needs memory for all of its tokens at once
// (Options.Batch bounds that of Append only).
//
// A batch may be left between two stages and taken up again later. Other batches can
// be computed meanwhile, but not of its sessions, which are not to be used until it
// is done, has failed, or is given up. Giving up needs no call.
type Batch struct {
	e      *Engine
	pieces []Piece
	mem    *batchMemory // nil before the first stage
	at     positions
	x      vectors
	next   int   // stage; each layer has two
	scored int   // rows whose logits were made
	over   error // errOver, or why the batch has failed; nil: not yet
}

// errOver answers calls on a batch that is done.
var errOver = errors.New("the batch has been computed already")

// NewBatch prepares a batch of pieces, which are not empty and of different sessions.
func (e *Engine) NewBatch(pieces ...Piece) (*Batch, error) {
	if err := e.checkPieces(pieces); err != nil {
		return nil, err
	}
	return &Batch{e: e, pieces: pieces}, nil
}

// Run computes a batch of pieces at once.
func (e *Engine) Run(ctx context.Context, pieces ...Piece) error {
	if err := e.checkPieces(pieces); err != nil {
		return err
	}
	return e.run(ctx, pieces)
}

func (e *Engine) run(ctx context.Context, pieces []Piece) error {
	b := &Batch{e: e, pieces: pieces}
	_, err := b.Advance(ctx, nil)
	return err
}

// Advance computes the next stage, and more of them as long as more, which is asked
// between two, says so; nil takes all. The stages are attention and mixture of each
// layer, and where logits are wanted then those of logitsTogether tokens at a time.
// Advance tells whether the batch is done: only then have the sessions their new
// tokens, and the logits that were wanted. When ctx ends it returns ctx's error,
// between two stages. After an error the batch is over. All sessions hold the tokens
// that they had before, without Logits, and each piece may be tried again, alone or
// in other company.
func (b *Batch) Advance(ctx context.Context, more func() bool) (done bool, err error) {
	e := b.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false, errClosed
	}
	if b.over != nil {
		return false, b.over
	}
	defer e.publish()
	defer e.machine.enter()()
	defer func() {
		if done || err != nil {
			b.end(err)
		}
	}()
	began, first := time.Now(), b.next
	if err := b.begin(ctx); err != nil {
		return false, err
	}
	if done, err = b.stages(ctx, more); err != nil {
		e.lost = experts.Gone(err)
		return false, errors.Join(err, e.experts.Abandon())
	}
	took := time.Since(began)
	e.stats.Elapsed += took
	if !done || first > 0 {
		took = 0 // tells nothing of a whole batch
	}
	if err := e.experts.End(took); err != nil {
		return false, err
	}
	if done { // from here on nothing fails: who tries a batch again must not add its tokens twice
		for _, p := range b.pieces {
			p.Session.add(p.IDs)
		}
		e.stats.Tokens += len(b.mem.rows)
	}
	return done, nil
}

// begin begins some layers of the batch with the store of experts.
func (b *Batch) begin(ctx context.Context) error {
	e := b.e
	if b.mem == nil {
		if b.mem, e.spare = e.spare, nil; b.mem == nil {
			b.mem = new(batchMemory)
		}
		b.mem.fill(b.pieces)
		for _, p := range b.pieces {
			p.Session.logits = nil // of a token that is the last no longer, should the batch fail
		}
	}
	return e.begin(ctx, len(b.mem.rows))
}

// end gives the memory back.
func (b *Batch) end(err error) {
	if b.over = errOver; err != nil {
		b.over = err
		for _, p := range b.pieces { // some may have those of tokens that they did not get
			p.Session.logits = nil
		}
	}
	b.mem.release()
	b.e.spare, b.mem = b.mem, nil
}

// stages takes the batch through the next stages: those of the layers, and the head.
func (b *Batch) stages(ctx context.Context, more func() bool) (done bool, err error) {
	e := b.e
	if b.next == 0 {
		b.x = b.mem.x.take(len(b.mem.rows), e.cfg.Hidden)
		if err := embed(e.dense.embedding, b.x, b.mem.ids); err != nil {
			return false, err
		}
		b.at = e.rope.positions(b.mem)
	}
	began := false
	goOn := func() (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		ok := !began || more == nil || more()
		began = true
		return ok, nil
	}
	for ; b.next < 2*len(e.layers); b.next++ {
		if ok, err := goOn(); !ok {
			return false, err
		}
		if err := mapped.Guard(b.halfLayer); err != nil {
			return false, fmt.Errorf("layer %d: %w", b.next/2, err)
		}
	}
	for wanted := b.mem.rowsWanted(b.pieces)[b.scored:]; len(wanted) > 0; {
		if ok, err := goOn(); !ok {
			return false, err
		}
		rows := wanted[:min(len(wanted), logitsTogether)]
		if err := mapped.Guard(func() error { b.logits(rows); return nil }); err != nil {
			return false, err
		}
		wanted, b.scored = wanted[len(rows):], b.scored+len(rows)
	}
	return true, nil
}

// halfLayer computes the next stage of a layer. Nothing but the residual stream and
// the caches goes from one to the next: what blocks work in is shared with other
// batches.
func (b *Batch) halfLayer() error {
	n := b.next / 2
	l := b.e.layers[n]
	if b.next%2 == 1 {
		return l.mixture.forward(b.x, b.at)
	}
	l.attention.forward(b.x, b.mem.cachesOf(n, b.pieces), b.at)
	return nil
}

// logits computes the scores of some rows, which may be of several pieces.
func (b *Batch) logits(rows []int) {
	logits := b.e.head.forward(b.x, rows)
	for i, row := range rows {
		r := b.mem.rows[row]
		p := &b.pieces[r.piece]
		if p.Each != nil {
			p.Each(r.position, logits.at(i))
		}
		if p.Logits && r.position == p.Session.Len()+len(p.IDs)-1 {
			p.Session.setLogits(logits.at(i))
		}
	}
}
