package infer

import (
	"expertfs/checkpoint/config"
	"expertfs/infer/experts"
	"expertfs/infer/kernel"
	"expertfs/infer/weights"
)

// mlp is what an expert computes of the vectors that were routed to it:
//
//	y = W2 swiglu(W1 x + b1) + b2
//
// Several experts are computed together: one loop over their first matrices, one
// over their second. The layers share one mlp, since they run one after another.
type mlp struct {
	m                    *machine
	hidden, intermediate int
	limit, alpha         float32 // of swiglu
	act                  kernel.Act

	in  input  // the vectors of all tokens, from prepare to the last forward
	up  buffer // of one forward: [rows of its units][2*I]
	mid buffer // of one forward: [rows of its units][I]
}

// unit is one expert at work on its routes.
type unit struct {
	expert      *experts.Expert[weights.Expert]
	first, rows int // its routes
	at          int // its first row in up and mid
	in, mid     input
}

func newMLP(m *machine, c *config.Config, act kernel.Act) *mlp {
	return &mlp{
		m: m, hidden: c.Hidden, intermediate: c.Intermediate,
		limit: float32(c.SwigluLimit), alpha: float32(c.SwigluAlpha), act: act,
	}
}

// prepare readies the vectors that the experts work on, one for each token.
func (p *mlp) prepare(x vectors) { p.in.set(p.m.pool, x, p.act) }

// forward sets the rows of y that are the units' routes. TokenOf is the token of
// each route.
func (p *mlp) forward(y vectors, units []unit, tokenOf []int) {
	rows := 0
	for i := range units {
		units[i].at = rows
		rows += units[i].rows
	}
	if p.in.n > 1 {
		p.m.run(len(units), func(_, i int) {
			u := &units[i]
			u.in.batch.Gather(&p.in.batch, tokenOf[u.first:u.first+u.rows])
		})
	}
	up, mid := p.up.take(rows, 2*p.intermediate), p.mid.take(rows, p.intermediate)
	p.pieces(units, 2*p.intermediate, p.hidden, func(u *unit, lo, hi int, scratch *kernel.Scratch) {
		p.upRows(u, up.from(u.at, u.rows), mid.from(u.at, u.rows), lo, hi, scratch)
	})
	for i := range units {
		u := &units[i]
		u.mid.set(p.m.pool, mid.from(u.at, u.rows), p.act)
	}
	p.pieces(units, p.hidden, p.intermediate, func(u *unit, lo, hi int, scratch *kernel.Scratch) {
		p.downRows(u, y.from(u.first, u.rows), lo, hi, scratch)
	})
}

// pieces calls f for all pieces of a rows x cols matrix of every unit.
func (p *mlp) pieces(units []unit, rows, cols int, f func(u *unit, lo, hi int, scratch *kernel.Scratch)) {
	step := chunkRows(cols / 2)
	pieces := (rows + step - 1) / step
	p.m.run(pieces*len(units), func(thread, task int) {
		lo := task % pieces * step
		f(&units[task/pieces], lo, min(lo+step, rows), &p.m.scratch[thread])
	})
}

// upRows computes rows lo to hi (even numbers) of the first matrix, and the half
// as many elements that the activation function makes of them.
func (p *mlp) upRows(u *unit, up, mid vectors, lo, hi int, scratch *kernel.Scratch) {
	if p.in.n == 1 {
		u.expert.Value.W1.MulVec(up.data, &p.in.vec, lo, hi)
	} else {
		u.expert.Value.W1.MulBatch(up.data, up.width, &u.in.batch, lo, hi, scratch)
	}
	for r := range u.rows {
		x := up.at(r)[lo:hi]
		u.expert.Value.B1.Add(x, lo)
		kernel.SwiGLU(mid.at(r)[lo/2:hi/2], x, p.limit, p.alpha)
	}
}

// downRows computes rows lo to hi of the second matrix.
func (p *mlp) downRows(u *unit, y vectors, lo, hi int, scratch *kernel.Scratch) {
	if u.rows == 1 {
		u.expert.Value.W2.MulVec(y.data, &u.mid.vec, lo, hi)
	} else {
		u.expert.Value.W2.MulBatch(y.data, y.width, &u.mid.batch, lo, hi, scratch)
	}
	for r := range u.rows {
		u.expert.Value.B2.Add(y.at(r)[lo:hi], lo)
	}
}
