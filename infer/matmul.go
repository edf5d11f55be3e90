package infer

import (
	"expertfs/infer/kernel"
	"expertfs/infer/weights"
)

// input is a batch of activation vectors, prepared once and multiplied by one
// or more matrices.
type input struct {
	vec   kernel.Vec // of a batch of one
	batch kernel.Batch
	n     int
}

// prepare readies n vectors of cols elements that stand one after the other in x.
func (e *Engine) prepare(in *input, x []float32, n, cols int, act kernel.Act) error {
	in.n = n
	if n == 1 {
		in.vec.Set(x[:cols], act)
		return nil
	}
	in.batch.Reset(n, cols, act)
	return e.pool.run(n, func(_, t int) { in.batch.Set(t, x[t*cols:(t+1)*cols]) })
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

// mul computes rows of m times all vectors of in: dst[t*rows+r]. After each
// piece is done it calls then(t, lo, hi) for every vector, on the thread that
// computed rows lo to hi; then may be nil.
func (e *Engine) mul(dst []float32, m weights.Matrix, rows, rowBytes int, in *input, then func(t, lo, hi int)) error {
	step := chunkRows(rowBytes)
	if in.n > 1 {
		step = max(step, batchRows)
	}
	return e.pool.run((rows+step-1)/step, func(thread, task int) {
		lo := task * step
		hi := min(lo+step, rows)
		if in.n == 1 {
			m.MulVec(dst, &in.vec, lo, hi)
		} else {
			m.MulBatch(dst, rows, &in.batch, lo, hi, &e.work.scratch[thread])
		}
		if then != nil {
			for t := range in.n {
				then(t, lo, hi)
			}
		}
	})
}

// denseAct is the precision of activations that the dense matrices take: 8-bit
// matrices have integer kernels only, and bfloat16 ones have none.
func (e *Engine) denseAct() kernel.Act {
	switch {
	case e.set.dense == weights.Int8:
		return kernel.Int8
	case e.set.act == kernel.Int8:
		return kernel.F32
	}
	return e.set.act
}

// denseRowBytes is the size of a row of a dense matrix with cols columns.
func (e *Engine) denseRowBytes(cols int) int {
	if e.set.dense == weights.Int8 {
		return cols
	}
	return 2 * cols
}

// resize returns s with n elements, whose contents are undefined.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
