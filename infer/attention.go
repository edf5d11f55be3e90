package infer

import (
	"math"

	"expertfs/checkpoint/config"
	"expertfs/infer/kernel"
	"expertfs/infer/weights"
)

// attention is the first half of a layer. With x the residual stream, K and V
// the keys and values of the text up to each token:
//
//	q, k, v = qkv(norm(x)), with q and k rotated by the token's position
//	x      += out(softmax(q K / sqrt(D), sinks) V)
type attention struct {
	m     *machine
	norm  norm
	qkv   linear    // [(Q+2K)*D][H]: queries, then keys, then values
	sinks []float32 // [Q]
	out   linear    // [H][Q*D]

	heads, kvHeads, headDim int

	mem *attentionMemory
}

// attentionMemory is what attention works in. The layers share it, since they run
// one after another: nothing in it outlives a forward.
type attentionMemory struct {
	normed buffer        // [n][H]
	qkv    buffer        // [n][(Q+2K)*D]
	mixed  buffer        // [n][Q*D], the values that the heads gathered
	out    buffer        // [n][H]
	space  []attendSpace // by thread
}

// attendSpace is one thread's memory for a group of heads.
type attendSpace struct {
	scores []float32
	rows   rowSpace
}

func newAttention(m *machine, c *config.Config, l *weights.Layer, s settings, mem *attentionMemory) *attention {
	width := c.Heads * c.HeadDim
	return &attention{
		m: m, norm: norm{l.AttnNorm, float32(c.RMSEps)}, sinks: l.Sinks,
		qkv:   newLinear(l.QKV, c.QKVRows(), c.Hidden, l.QKVBias, s.dense, s.act),
		out:   newLinear(l.Out, c.Hidden, width, l.OutBias, s.dense, s.act),
		heads: c.Heads, kvHeads: c.KVHeads, headDim: c.HeadDim, mem: mem,
	}
}

// forward adds the layer's attention to x, the residual stream of tokens at the
// given positions. Their keys and values go into the cache of their piece, which has
// those of all tokens before them that the layer can see, and has grown for these.
func (a *attention) forward(x vectors, caches []*kvCache, at positions) {
	n := x.n
	normed := a.norm.forward(a.m, a.mem.normed.take(n, x.width), x)
	qkv := a.qkv.forward(a.m, a.mem.qkv.take(n, a.qkv.rows), normed)
	a.m.run(n, func(_, t int) {
		keys, values := a.rotate(qkv.at(t), at.cos.at(t), at.sin.at(t))
		caches[at.rows[t].piece].put(at.rows[t].position, keys, values)
	})
	mixed := a.mem.mixed.take(n, a.heads*a.headDim)
	a.m.run(n*a.kvHeads, func(thread, task int) {
		t, group := task/a.kvHeads, task%a.kvHeads
		a.attend(mixed.at(t), qkv.at(t), group, caches[at.rows[t].piece], at.rows[t].position, &a.mem.space[thread])
	})
	a.out.addTo(a.m, x, a.mem.out.take(n, x.width), mixed)
}

// rotate turns a token's queries and keys, and returns its keys and values.
func (a *attention) rotate(qkv, cos, sin []float32) (keys, values []float32) {
	first := a.heads * a.headDim
	last := first + a.kvHeads*a.headDim
	for i := 0; i < last; i += a.headDim {
		turn(qkv[i:i+a.headDim], cos, sin)
	}
	return qkv[first:last], qkv[last:]
}

// attend writes to mixed what the query heads that share key/value head group
// gather for the token at position. Blocks of keys and values are outside and heads
// inside: a block is read from memory once for all heads, and the order of each
// head's sums is that of the positions either way.
func (a *attention) attend(mixed, queries []float32, group int, cache *kvCache, position int, space *attendSpace) {
	d, share := a.headDim, a.heads/a.kvHeads
	first, head := cache.start(position), group*share
	q := vectors{share, d, queries[head*d : (head+share)*d]}
	out := vectors{share, d, mixed[head*d : (head+share)*d]}
	space.scores = resize(space.scores, share*(position+1-first))
	scores := vectors{share, position + 1 - first, space.scores}
	scale := float32(1 / math.Sqrt(float64(d)))
	cache.each(first, position+1, func(at, n int, b *kvBlock, offset int) {
		keys := b.k.open(&space.rows, group*blockLen+offset, n)
		for i := range share {
			keys.dots(scores.at(i)[at-first:at-first+n], q.at(i), scale)
		}
	})
	for i := range share {
		kernel.Softmax(scores.at(i), a.sinks[head+i])
	}
	clear(out.data)
	cache.each(first, position+1, func(at, n int, b *kvBlock, offset int) {
		values := b.v.open(&space.rows, group*blockLen+offset, n)
		for i := range share {
			values.mix(out.at(i), scores.at(i)[at-first:at-first+n])
		}
	})
}
