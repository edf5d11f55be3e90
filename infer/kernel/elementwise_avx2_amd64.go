package kernel

import "unsafe"

//go:noescape
func sum64AVX2(b *byte, n int) uint64

//go:noescape
func expSumAVX2(s *float32, n int, m float32, parts *[8]float32, constants *expConstants)

//go:noescape
func swigluAVX2(dst, a *float32, n int, limit, alpha float32, constants *expConstants)

//go:noescape
func quantizeAVX2(q *int8, scale *float32, corr *int32, step int, x *float32, n int)

//go:noescape
func addAVX2(dst, x *float32, n int)

//go:noescape
func addScaledAVX2(dst *float32, a float32, x *float32, n int)

//go:noescape
func addBF16AVX2(dst *float32, src *byte, n int)

//go:noescape
func splitAVX2(dst, x *float32, n int, round bool)

//go:noescape
func dotsF32AVX2(dst, q, keys *float32, step, n, groups int, scale float32)

//go:noescape
func dotsBF16AVX2(dst, q *float32, keys *uint16, step, n, groups int, scale float32)

//go:noescape
func addWeightedF32AVX2(dst, w, values *float32, step, n int)

//go:noescape
func addWeightedBF16AVX2(dst, w *float32, values *uint16, step, n int)

func avx2Sum64(b []byte) uint64 {
	const group = 128
	n := len(b) / group
	if n == 0 {
		return sum64Generic(b)
	}
	return sum64AVX2(unsafe.SliceData(b), n) + sum64Generic(b[n*group:])
}

func avx2ExpSum(s []float32, m float32) float32 {
	var parts partLanes
	whole := len(s) / 8 * 8
	if whole > 0 {
		expSumAVX2(&s[0], whole/8, m, (*[8]float32)(&parts), &expTable)
	}
	parts.addExp(s[whole:], m)
	return parts.sum()
}

func avx2SwiGLU(dst, a []float32, limit, alpha float32) {
	whole := len(dst) / 8 * 8
	if whole > 0 {
		swigluAVX2(&dst[0], &a[0], whole/8, limit, alpha, &expTable)
	}
	swigluGeneric(dst[whole:], a[2*whole:], limit, alpha)
}

func avx2Quantize(dst *int8Rows, i int, x []float32) {
	out := dst.vector(i)
	whole := len(x) / blockLen
	if whole > 0 {
		quantizeAVX2(&out[0], &dst.scale[i], &dst.corr[i], 4*dst.step, &x[0], whole)
	}
	for b := whole; b < dst.blocks; b++ {
		var block [blockLen]float32
		copy(block[:], x[min(b*blockLen, len(x)):])
		at := b*dst.step + i
		quantizeAVX2(&out[b*blockLen], &dst.scale[at], &dst.corr[at], 0, &block[0], 1)
	}
}

func avx2Split(dst, x []float32, round bool) {
	whole := len(x) / blockLen
	if whole > 0 {
		splitAVX2(&dst[0], &x[0], whole, round)
	}
	splitGeneric(dst[whole*blockLen:], x[whole*blockLen:], round)
}

// The attention kernels take rows of whole groups; others are rare enough to be
// left to the portable code.

func avx2DotsF32(dst, q, keys []float32, scale float32) {
	dim := len(q)
	if dim%8 != 0 {
		dotsF32Generic(dst, q, keys, scale)
		return
	}
	fourRows(dst, func(out *float32, r, step, groups int) {
		dotsF32AVX2(out, &q[0], &keys[r*dim], step*dim*4, dim/8, groups, scale)
	})
}

func avx2DotsBF16(dst, q []float32, keys []uint16, scale float32) {
	const most = 512
	dim := len(q)
	if dim%blockLen != 0 || dim > most {
		dotsBF16Generic(dst, q, keys, scale)
		return
	}
	var buf [most]float32
	splitAVX2(&buf[0], &q[0], dim/blockLen, false)
	fourRows(dst, func(out *float32, r, step, groups int) {
		dotsBF16AVX2(out, &buf[0], &keys[r*dim], step*dim*2, dim/blockLen, groups, scale)
	})
}

// weightedGroup is how many elements of each row the kernels of weighted sums
// take. The rest of a row is summed up as a whole group, in which the beginning
// of the next row comes to nothing; behind the last row there is none.
const weightedGroup = 64

func avx2AddWeightedF32(dst, w, values []float32) {
	dim, n := len(dst), len(w)
	if dim < weightedGroup/2 || n == 0 {
		addWeightedF32Generic(dst, w, values)
		return
	}
	at := 0
	for ; at+weightedGroup <= dim; at += weightedGroup {
		addWeightedF32AVX2(&dst[at], &w[0], &values[at], dim*4, n)
	}
	if at == dim {
		return
	}
	var wide [weightedGroup]float32
	copy(wide[:], dst[at:])
	if n > 1 {
		addWeightedF32AVX2(&wide[0], &w[0], &values[at], dim*4, n-1)
	}
	copy(dst[at:], wide[:])
	addWeightedF32Generic(dst[at:], w[n-1:], values[(n-1)*dim+at:])
}

func avx2AddWeightedBF16(dst, w []float32, values []uint16) {
	dim, n := len(dst), len(w)
	if dim < weightedGroup/2 || n == 0 {
		addWeightedBF16Generic(dst, w, values)
		return
	}
	at := 0
	for ; at+weightedGroup <= dim; at += weightedGroup {
		addWeightedBF16AVX2(&dst[at], &w[0], &values[at], dim*2, n)
	}
	if at == dim {
		return
	}
	var wide [weightedGroup]float32
	copy(wide[:], dst[at:])
	if n > 1 {
		addWeightedBF16AVX2(&wide[0], &w[0], &values[at], dim*2, n-1)
	}
	copy(dst[at:], wide[:])
	addWeightedBF16Generic(dst[at:], w[n-1:], values[(n-1)*dim+at:])
}

func avx2Add(dst, x []float32) {
	n := len(x) / 8
	if n > 0 {
		addAVX2(&dst[0], &x[0], n)
	}
	addGeneric(dst[n*8:], x[n*8:])
}

func avx2AddScaled(dst []float32, a float32, x []float32) {
	n := len(x) / 8
	if n > 0 {
		addScaledAVX2(&dst[0], a, &x[0], n)
	}
	addScaledGeneric(dst[n*8:], a, x[n*8:])
}

func avx2AddBF16(dst []float32, src []byte) {
	n := len(dst) / 8
	if n > 0 {
		addBF16AVX2(&dst[0], &src[0], n)
	}
	addBF16Generic(dst[n*8:], src[n*16:])
}
