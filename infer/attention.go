package infer

import (
	"math"

	"expertfs/infer/kernel"
	"expertfs/infer/weights"
)

// prepareAngles computes the rotations of n tokens from position first on.
func (e *Engine) prepareAngles(first, n int) {
	w, half := &e.work, e.cfg.HeadDim/2
	w.cos, w.sin = resize(w.cos, n*half), resize(w.sin, n*half)
	for t := range n {
		e.rope.angles(w.cos[t*half:(t+1)*half], w.sin[t*half:(t+1)*half], first+t)
	}
}

// attention adds layer l's attention to the residual stream of the n tokens
// that follow those in s.
func (e *Engine) attention(l int, s *Session, n int) error {
	c, w, layer := e.cfg, &e.work, e.layers[l]
	w.normed = resize(w.normed, n*c.Hidden)
	if err := e.normalize(w.normed, 0, n, layer.AttnNorm); err != nil {
		return err
	}
	if err := e.prepare(&w.in, w.normed, n, c.Hidden, e.denseAct()); err != nil {
		return err
	}
	rows := c.QKVRows()
	w.qkv = resize(w.qkv, n*rows)
	if err := e.mul(w.qkv, layer.QKV, rows, e.denseRowBytes(c.Hidden), &w.in, func(t, lo, hi int) {
		kernel.Add(w.qkv[t*rows+lo:t*rows+hi], layer.QKVBias[lo:hi])
	}); err != nil {
		return err
	}
	cache := s.cache[l]
	cache.grow(s.n, s.n+n)
	if err := e.pool.run(n, func(_, t int) { e.rotate(cache, w.qkv[t*rows:(t+1)*rows], t, s.n+t) }); err != nil {
		return err
	}
	width := c.Heads * c.HeadDim
	w.mixed = resize(w.mixed, n*width)
	if err := e.pool.run(n*c.KVHeads, func(thread, task int) {
		t, group := task/c.KVHeads, task%c.KVHeads
		e.attend(cache, layer.Sinks, group, s.n+t, w.qkv[t*rows:(t+1)*rows], w.mixed[t*width:(t+1)*width], thread)
	}); err != nil {
		return err
	}
	return e.project(n, width, layer.Out, layer.OutBias)
}

// rotate applies the position to the queries and keys of token t of the batch
// and stores its keys and values.
func (e *Engine) rotate(cache *kvCache, qkv []float32, t, position int) {
	c := e.cfg
	half := c.HeadDim / 2
	cos, sin := e.work.cos[t*half:(t+1)*half], e.work.sin[t*half:(t+1)*half]
	keys := c.Heads * c.HeadDim
	values := keys + c.KVHeads*c.HeadDim
	for at := 0; at < values; at += c.HeadDim {
		turn(qkv[at:at+c.HeadDim], cos, sin)
	}
	cache.put(position, qkv[keys:values], qkv[values:])
}

// attend computes the query heads that share key/value head group, for the
// token at position.
func (e *Engine) attend(cache *kvCache, sinks []float32, group, position int, qkv, mixed []float32, thread int) {
	c := e.cfg
	share := c.Heads / c.KVHeads
	first := cache.start(position)
	scores := resize(e.work.scores[thread], position+1-first)
	e.work.scores[thread] = scores
	scale := float32(1 / math.Sqrt(float64(c.HeadDim)))
	for head := group * share; head < (group+1)*share; head++ {
		q := qkv[head*c.HeadDim : (head+1)*c.HeadDim]
		cache.each(first, position+1, func(at, n int, b *kvBlock, offset int) {
			b.k.dots(scores[at-first:at-first+n], q, (group*blockLen+offset)*c.HeadDim, scale)
		})
		kernel.Softmax(scores, sinks[head])
		out := mixed[head*c.HeadDim : (head+1)*c.HeadDim]
		clear(out)
		cache.each(first, position+1, func(at, n int, b *kvBlock, offset int) {
			b.v.mix(out, scores[at-first:at-first+n], (group*blockLen+offset)*c.HeadDim)
		})
	}
}

// project adds the output projection of what attention gathered to the residual
// stream.
func (e *Engine) project(n, width int, out weights.Matrix, bias []float32) error {
	w, h := &e.work, e.cfg.Hidden
	if err := e.prepare(&w.in, w.mixed, n, width, e.denseAct()); err != nil {
		return err
	}
	w.normed = resize(w.normed, n*h)
	return e.mul(w.normed, out, h, e.denseRowBytes(width), &w.in, func(t, lo, hi int) {
		x, y := w.x[t*h+lo:t*h+hi], w.normed[t*h+lo:t*h+hi]
		kernel.Add(y, bias[lo:hi])
		kernel.Add(x, y)
	})
}
