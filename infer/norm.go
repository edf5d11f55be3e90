package infer

import "expertfs/infer/kernel"

// normalize writes n tokens of the residual stream, from token first on, to
// dst, normed and scaled by weight.
func (e *Engine) normalize(dst []float32, first, n int, weight []float32) error {
	x, h := e.work.x, e.cfg.Hidden
	return e.pool.run(n, func(_, t int) {
		kernel.RMSNorm(dst[t*h:(t+1)*h], x[(first+t)*h:(first+t+1)*h], weight, float32(e.cfg.RMSEps))
	})
}
