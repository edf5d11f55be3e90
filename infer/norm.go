package infer

import "math"

// rmsNorm writes x, scaled to a root mean square of 1, times weight to dst.
func rmsNorm(dst, x, weight []float32, eps float64) {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	scale := float32(1 / math.Sqrt(sum/float64(len(x))+eps))
	for i, v := range x {
		dst[i] = float32(v*scale) * weight[i]
	}
}

// normalize applies rmsNorm to the first n rows of the residual stream.
func (e *Engine) normalize(n int, weight []float32) error {
	w, h := &e.work, e.cfg.Hidden
	w.normed = resize(w.normed, n*h)
	return e.pool.run(n, func(_, t int) {
		rmsNorm(w.normed[t*h:(t+1)*h], w.x[t*h:(t+1)*h], weight, e.cfg.RMSEps)
	})
}
