package infer

import "expertfs/infer/kernel"

// normalize writes the normed residual stream of n tokens, from token first on,
// to the workspace.
func (e *Engine) normalize(first, n int, weight []float32) error {
	w, h := &e.work, e.cfg.Hidden
	w.normed = resize(w.normed, n*h)
	return e.pool.run(n, func(_, t int) {
		x := w.x[(first+t)*h : (first+t+1)*h]
		kernel.RMSNorm(w.normed[t*h:(t+1)*h], x, weight, float32(e.cfg.RMSEps))
	})
}
