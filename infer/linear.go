package infer

import (
	"expertfs/checkpoint/config"
	"expertfs/infer/kernel"
	"expertfs/infer/weights"
)

// machine is what the blocks of a model compute with. It has one user at a time.
type machine struct {
	*pool
	in      input            // of the linear.forward under way
	scratch []kernel.Scratch // by thread, of the task under way
}

// input is a batch of activation vectors, prepared once and multiplied by one
// or more matrices.
type input struct {
	vec   kernel.Vec // of a batch of one
	batch kernel.Batch
	n     int
}

// set readies the vectors of x for products in the precision act.
func (in *input) set(p *pool, x vectors, act kernel.Act) {
	in.n = x.n
	if x.n == 1 {
		in.vec.Set(x.at(0), act)
		return
	}
	in.batch.Reset(x.n, x.width, act)
	p.run(x.n, func(_, t int) { in.batch.Set(t, x.at(t)) })
}

// linear is a dense matrix and a bias: y = W x + b.
type linear struct {
	w        weights.Matrix // [rows][columns]
	rows     int
	rowBytes int
	bias     []float32  // [rows], or nil
	act      kernel.Act // how x is rounded
}

// newLinear is a layer of dense weights that are kept in the precision p, in a
// model whose activations have the precision act. Matrices of 8 bits have integer
// kernels only, and bfloat16 ones have none.
func newLinear(w weights.Matrix, rows, cols int, bias []float32, p weights.Precision, act kernel.Act) linear {
	l := linear{w: w, rows: rows, rowBytes: 2 * cols, bias: bias, act: act}
	switch {
	case p == weights.Int8:
		l.rowBytes, l.act = cols, kernel.Int8
	case act == kernel.Int8:
		l.act = kernel.F32
	}
	return l
}

// newGate is a layer's router, which works in float32 whatever the activations
// are: it is small, and a wrong choice costs more than rounding.
func newGate(c *config.Config, l *weights.Layer) linear {
	return linear{w: l.Gate, rows: c.Experts, rowBytes: 2 * c.Hidden, bias: l.GateBias, act: kernel.F32}
}

// forward sets dst, vectors of l.rows elements, to W x + b, and returns it.
func (l *linear) forward(m *machine, dst, x vectors) vectors {
	m.in.set(m.pool, x, l.act)
	l.mul(m, dst, func(t, lo, hi int) {
		if l.bias != nil {
			kernel.Add(dst.at(t)[lo:hi], l.bias[lo:hi])
		}
	})
	return dst
}

// addTo adds W x + b to sum. The product itself is left in product.
func (l *linear) addTo(m *machine, sum, product, x vectors) {
	m.in.set(m.pool, x, l.act)
	l.mul(m, product, func(t, lo, hi int) {
		y := product.at(t)[lo:hi]
		kernel.Add(y, l.bias[lo:hi])
		kernel.Add(sum.at(t)[lo:hi], y)
	})
}

// mul sets dst to W times all vectors of m.in. After each piece it calls
// then(t, lo, hi) for every vector, on the thread that computed rows lo to hi.
func (l *linear) mul(m *machine, dst vectors, then func(t, lo, hi int)) {
	step := chunkRows(l.rowBytes)
	if m.in.n > 1 {
		step = max(step, batchRows)
	}
	m.run((l.rows+step-1)/step, func(thread, task int) {
		lo := task * step
		hi := min(lo+step, l.rows)
		if m.in.n == 1 {
			l.w.MulVec(dst.data, &m.in.vec, lo, hi)
		} else {
			l.w.MulBatch(dst.data, l.rows, &m.in.batch, lo, hi, &m.scratch[thread])
		}
		for t := range m.in.n {
			then(t, lo, hi)
		}
	})
}

// chunkBytes is about how many bytes of weights a task reads: enough that
// claiming it costs nothing, and few enough that threads end together.
const chunkBytes = 128 << 10

// chunkRows is the number of rows of a task, a multiple of what kernels take at
// a time, when a row has rowBytes bytes.
func chunkRows(rowBytes int) int {
	const unit = 16
	return max(chunkBytes/max(rowBytes, 1)/unit, 1) * unit
}

// batchRows is the least number of rows of a task with several vectors, which
// are read from a cache again for every task.
const batchRows = 128
