package infer

import "expertfs/infer/kernel"

// runUnits computes the outputs of the gathered experts, all of them together:
// one loop over their first matrices, one over their second.
func (e *Engine) runUnits() error {
	m, c := &e.work.moe, e.cfg
	rows := 0
	for i := range m.units {
		rows += m.units[i].rows
	}
	m.up, m.mid = resize(m.up, rows*2*c.Intermediate), resize(m.mid, rows*c.Intermediate)
	if m.in.n > 1 {
		if err := e.pool.run(len(m.units), func(_, i int) {
			u := &m.units[i]
			u.in.batch.Gather(&m.in.batch, m.tokenOf[u.first:u.first+u.rows])
		}); err != nil {
			return err
		}
	}
	if err := e.runMatrices(2*c.Intermediate, c.Hidden, e.upRows); err != nil {
		return err
	}
	if err := e.prepareHidden(); err != nil {
		return err
	}
	return e.runMatrices(c.Hidden, c.Intermediate, e.downRows)
}

// runMatrices calls f for all pieces of a rows x cols matrix of every unit.
func (e *Engine) runMatrices(rows, cols int, f func(u *unit, lo, hi int, scratch *kernel.Scratch)) error {
	step := chunkRows(cols / 2)
	pieces := (rows + step - 1) / step
	return e.pool.run(pieces*len(e.work.moe.units), func(thread, task int) {
		lo := task % pieces * step
		f(&e.work.moe.units[task/pieces], lo, min(lo+step, rows), &e.work.scratch[thread])
	})
}

// upRows computes rows lo to hi (even numbers) of the first matrix and the half
// as many elements that the activation function makes of them.
func (e *Engine) upRows(u *unit, lo, hi int, scratch *kernel.Scratch) {
	m, width := &e.work.moe, 2*e.cfg.Intermediate
	up := m.up[u.at*width:]
	if m.in.n == 1 {
		u.expert.W1.MulVec(up, &m.in.vec, lo, hi)
	} else {
		u.expert.W1.MulBatch(up, width, &u.in.batch, lo, hi, scratch)
	}
	limit, alpha := float32(e.cfg.SwigluLimit), float32(e.cfg.SwigluAlpha)
	for r := range u.rows {
		in := up[r*width+lo : r*width+hi]
		kernel.AddBF16(in, u.expert.B1[2*lo:])
		mid := m.mid[(u.at+r)*width/2:]
		kernel.SwiGLU(mid[lo/2:hi/2], in, limit, alpha)
	}
}

// downRows computes rows lo to hi of the second matrix.
func (e *Engine) downRows(u *unit, lo, hi int, scratch *kernel.Scratch) {
	m, h := &e.work.moe, e.cfg.Hidden
	y := m.y[u.first*h:]
	if u.rows == 1 {
		u.expert.W2.MulVec(y, &u.hidden.vec, lo, hi)
	} else {
		u.expert.W2.MulBatch(y, h, &u.hidden.batch, lo, hi, scratch)
	}
	for r := range u.rows {
		kernel.AddBF16(y[r*h+lo:r*h+hi], u.expert.B2[2*lo:])
	}
}

// prepareHidden readies what the first matrices gave for the second ones.
func (e *Engine) prepareHidden() error {
	m, width := &e.work.moe, e.cfg.Intermediate
	for i := range m.units {
		u := &m.units[i]
		if err := e.prepare(&u.hidden, m.mid[u.at*width:(u.at+u.rows)*width], u.rows, width, e.set.act); err != nil {
			return err
		}
	}
	return nil
}
