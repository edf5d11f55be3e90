package kernel

import "unsafe"

//go:noescape
func sum64NEON(b *byte, n int) uint64

//go:noescape
func expSumNEON(s *float32, n int, m float32, parts *[8]float32, constants *expConstants)

//go:noescape
func swigluNEON(dst, a *float32, n int, limit, alpha float32, constants *expConstants)

//go:noescape
func quantizeNEON(q *int8, scale *float32, corr *int32, step int, x *float32, n int)

//go:noescape
func addNEON(dst, x *float32, n int)

//go:noescape
func addScaledNEON(dst *float32, a float32, x *float32, n int)

//go:noescape
func addBF16NEON(dst *float32, src *byte, n int)

//go:noescape
func splitNEON(dst, x *float32, n int, round bool)

//go:noescape
func dotsF32NEON(dst, q, keys *float32, step, n, groups int, scale float32)

//go:noescape
func dotsBF16NEON(dst, q *float32, keys *uint16, step, n, groups int, scale float32)

//go:noescape
func addWeightedF32NEON(dst, w, values *float32, step, n int)

//go:noescape
func addWeightedBF16NEON(dst, w *float32, values *uint16, step, n int)

func neonSum64(b []byte) uint64 {
	const group = 128
	n := len(b) / group
	if n == 0 {
		return sum64Generic(b)
	}
	return sum64NEON(unsafe.SliceData(b), n) + sum64Generic(b[n*group:])
}

func neonExpSum(s []float32, m float32) float32 {
	var parts partLanes
	whole := len(s) / 8 * 8
	if whole > 0 {
		expSumNEON(&s[0], whole/8, m, (*[8]float32)(&parts), &expTable)
	}
	parts.addExp(s[whole:], m)
	return parts.sum()
}

func neonSwiGLU(dst, a []float32, limit, alpha float32) {
	whole := len(dst) / 4 * 4
	if whole > 0 {
		swigluNEON(&dst[0], &a[0], whole/4, limit, alpha, &expTable)
	}
	swigluGeneric(dst[whole:], a[2*whole:], limit, alpha)
}

func neonQuantize(dst *int8Rows, i int, x []float32) {
	out := dst.vector(i)
	whole := len(x) / blockLen
	if whole > 0 {
		quantizeNEON(&out[0], &dst.scale[i], &dst.corr[i], 4*dst.step, &x[0], whole)
	}
	for b := whole; b < dst.blocks; b++ {
		var block [blockLen]float32
		copy(block[:], x[min(b*blockLen, len(x)):])
		at := b*dst.step + i
		quantizeNEON(&out[b*blockLen], &dst.scale[at], &dst.corr[at], 0, &block[0], 1)
	}
}

func neonSplit(dst, x []float32, round bool) {
	whole := len(x) / blockLen
	if whole > 0 {
		splitNEON(&dst[0], &x[0], whole, round)
	}
	splitGeneric(dst[whole*blockLen:], x[whole*blockLen:], round)
}

// The attention kernels take rows of whole groups; others are rare enough to be
// left to the portable code.

func neonDotsF32(dst, q, keys []float32, scale float32) {
	dim := len(q)
	if dim%8 != 0 {
		dotsF32Generic(dst, q, keys, scale)
		return
	}
	fourRows(dst, func(out *float32, r, step, groups int) {
		dotsF32NEON(out, &q[0], &keys[r*dim], step*dim*4, dim/8, groups, scale)
	})
}

func neonDotsBF16(dst, q []float32, keys []uint16, scale float32) {
	const most = 512
	dim := len(q)
	if dim%blockLen != 0 || dim > most {
		dotsBF16Generic(dst, q, keys, scale)
		return
	}
	var buf [most]float32
	splitNEON(&buf[0], &q[0], dim/blockLen, false)
	fourRows(dst, func(out *float32, r, step, groups int) {
		dotsBF16NEON(out, &buf[0], &keys[r*dim], step*dim*2, dim/blockLen, groups, scale)
	})
}

func neonAddWeightedF32(dst, w, values []float32) {
	const group = 64
	dim := len(dst)
	if dim%group != 0 || len(w) == 0 {
		addWeightedF32Generic(dst, w, values)
		return
	}
	for at := 0; at < dim; at += group {
		addWeightedF32NEON(&dst[at], &w[0], &values[at], dim*4, len(w))
	}
}

func neonAddWeightedBF16(dst, w []float32, values []uint16) {
	const group = 64
	dim := len(dst)
	if dim%group != 0 || len(w) == 0 {
		addWeightedBF16Generic(dst, w, values)
		return
	}
	for at := 0; at < dim; at += group {
		addWeightedBF16NEON(&dst[at], &w[0], &values[at], dim*2, len(w))
	}
}

func neonAdd(dst, x []float32) {
	n := len(x) / 8
	if n > 0 {
		addNEON(&dst[0], &x[0], n)
	}
	addGeneric(dst[n*8:], x[n*8:])
}

func neonAddScaled(dst []float32, a float32, x []float32) {
	n := len(x) / 8
	if n > 0 {
		addScaledNEON(&dst[0], a, &x[0], n)
	}
	addScaledGeneric(dst[n*8:], a, x[n*8:])
}

func neonAddBF16(dst []float32, src []byte) {
	n := len(dst) / 8
	if n > 0 {
		addBF16NEON(&dst[0], &src[0], n)
	}
	addBF16Generic(dst[n*8:], src[n*16:])
}
