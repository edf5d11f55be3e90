package infer

import "expertfs/infer/kernel"

// norm divides a vector by the root of its mean square and scales each element.
type norm struct {
	weight []float32 // [H]
	eps    float32
}

// forward sets dst to the normed vectors of x, and returns it.
func (o *norm) forward(m *machine, dst, x vectors) vectors {
	m.run(x.n, func(_, t int) { o.one(dst.at(t), x.at(t)) })
	return dst
}

// one sets dst to the norm of x, on the calling thread.
func (o *norm) one(dst, x []float32) { kernel.RMSNorm(dst, x, o.weight, o.eps) }
