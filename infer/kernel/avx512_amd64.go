package kernel

import "golang.org/x/sys/cpu"

//go:noescape
func mxfp4Int8AVX512(dst *float32, w, s *byte, rowStep, nb, groups int, x *oneBlocks)

//go:noescape
func oneAVX512(x *oneBlocks, q *int8, scale *float32, groups int)

//go:noescape
func mxfp4FewAVX512(dst *float32, stride int, w, s *byte, rowStep, nb, groups int, x *fewBlocks, n int)

//go:noescape
func mxfp4FloatAVX512(dst *float32, w, s *byte, rowStep, nb, groups int, x *float32, table *[256]float32)

//go:noescape
func bf16VecAVX512(dst *float32, w *byte, rowStep, cols, groups int, x *float32)

//go:noescape
func bf16BatchAVX512(dst *float32, stride int, w *byte, rowStep, cols int, x *float32, xStep int)

//go:noescape
func q8VecAVX512(dst *[tileRows]float32, data *int8, scales *uint16, nb int, q *int8, scale *float32, corr *int32, step int)

//go:noescape
func q8BatchAVX512(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, corr *int32, step int)

//go:noescape
func mxfp4BF16AVX512(dst, blocks, scales *byte, nb int, table *[256]float32)

//go:noescape
func mxfp4TileAVX512(data *int8, blocks *byte, nb, groups int, mask uint16)

//go:noescape
func scaleTileAVX512(dst *uint16, scales *byte, nb, groups int)

// avx512 needs AVX-512 F, BW, DQ, VL, VBMI and VNNI. What it does not replace is
// as in avx2.
var avx512 = func() *isa {
	k := *avx2
	k.name, k.rank = "avx512", 2
	k.usable = func() bool {
		x := cpu.X86
		return avx2.usable() && x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX512VBMI && x.HasAVX512VNNI
	}
	k.bf16Vec = avx512BF16Vec
	k.mxfp4Float = avx512MXFP4Float
	k.mxfp4Int8 = avx512MXFP4Int8
	k.one = avx512One
	k.mxfp4Few = avx512MXFP4Few
	k.q8Vec = avx512Q8Vec
	k.bf16Batch = avx512BF16Batch
	k.q8Batch = avx512Q8Batch
	k.mxfp4BF16 = avx512MXFP4BF16
	k.mxfp4Tile = avx512MXFP4Tile
	k.wantsLanes = false
	return &k
}()

var _ = register(avx512)

func avx512BF16Vec(dst []float32, w []byte, cols int, x []float32) {
	fourRows(dst, func(out *float32, r, step, groups int) {
		bf16VecAVX512(out, &w[r*cols*2], step*cols*2, cols, groups, &x[0])
	})
}

func avx512MXFP4Float(dst []float32, blocks, scales []byte, x []float32) {
	nb := len(scales) / len(dst)
	fourRows(dst, func(out *float32, r, step, groups int) {
		mxfp4FloatAVX512(out, &blocks[r*nb*halfBlock], &scales[r*nb], step*nb, nb, groups, &x[0], &e8m0Table)
	})
}

func avx512MXFP4Int8(dst []float32, blocks, scales []byte, x *int8Rows) {
	nb := len(scales) / len(dst)
	fourRows(dst, func(out *float32, r, step, groups int) {
		mxfp4Int8AVX512(out, &blocks[r*nb*halfBlock], &scales[r*nb], step*nb, nb, groups, &x.one[0])
	})
}

func avx512One(x *int8Rows) {
	x.one = resize(x.one, x.blocks/4)
	if len(x.one) > 0 {
		oneAVX512(&x.one[0], &x.q[0], &x.scale[0], len(x.one))
	}
}

func avx512MXFP4Few(dst []float32, stride, rows int, blocks, scales []byte, x []fewBlocks, n int) {
	nb := len(scales) / rows
	fewRows(dst, stride, rows, n, func(out *float32, stride, r, step, groups int) {
		mxfp4FewAVX512(out, stride, &blocks[r*nb*halfBlock], &scales[r*nb], step*nb, nb, groups, &x[0], n)
	})
}

func avx512Q8Vec(dst *[tileRows]float32, data []int8, scales []uint16, x *int8Rows, i, nb int) {
	q8VecAVX512(dst, &data[0], &scales[0], nb, &x.vector(i)[0], &x.scale[i], &x.corr[i], 4*x.step)
}

// avx512Q8Batch takes 8 vectors at a time. Up to 3 that are left over are taken one by
// one; more are taken with some that were done before or, where there are no 8 in all,
// with what is in the room behind them, to which nothing is written.
func avx512Q8Batch(dst []float32, stride int, data []int8, scales []uint16, x *int8Rows, from, to, nb int, _ bool) {
	const group, single = groupRoom, 3
	qStep := x.blocks * blockLen
	for i := from; i < to; i += group {
		switch {
		case to-i <= single:
			for ; i < to; i++ {
				avx512Q8Vec((*[tileRows]float32)(dst[i*stride:]), data, scales, x, i, nb)
			}
		case to >= group:
			i = min(i, to-group)
			q8BatchAVX512(&dst[i*stride], 4*stride, &data[0], &scales[0], nb, &x.q[i*qStep], qStep, &x.scale[i], &x.corr[i], 4*x.step)
		default:
			var out [group][tileRows]float32
			q8BatchAVX512(&out[0][0], 4*tileRows, &data[0], &scales[0], nb, &x.q[0], qStep, &x.scale[0], &x.corr[0], 4*x.step)
			for v := range to {
				copy(dst[v*stride:][:tileRows], out[v][:])
			}
		}
	}
}

// avx512BF16Batch takes 3 rows and 4 vectors at a time. Those left over are taken
// with some that were done before, or one by one where there are not enough.
func avx512BF16Batch(dst []float32, stride, rows int, w []byte, cols int, x []float32, n int) {
	const rowGroup, group = 3, 4
	p := padded(cols)
	if rows < rowGroup || n < group {
		for i := range n {
			avx512BF16Vec(dst[i*stride:][:rows], w, cols, x[i*p:])
		}
		return
	}
	for r := 0; r < rows; r += rowGroup {
		r = min(r, rows-rowGroup)
		for i := 0; i < n; i += group {
			i = min(i, n-group)
			bf16BatchAVX512(&dst[i*stride+r], 4*stride, &w[r*cols*2], cols*2, cols, &x[i*p], 4*p)
		}
	}
}

func avx512MXFP4BF16(dst []byte, blocks, scales []byte) {
	mxfp4BF16AVX512(&dst[0], &blocks[0], &scales[0], len(scales), &e8m0Table)
}

func avx512MXFP4Tile(data []int8, tileScales []uint16, blocks, scales []byte) {
	nb := len(scales) / tileRows
	groups, left := nb/4, nb%4
	if groups > 0 {
		mxfp4TileAVX512(&data[0], &blocks[0], nb, groups, 0xffff)
		scaleTileAVX512(&tileScales[0], &scales[0], nb, groups)
	}
	if left == 0 {
		return
	}
	// A group of 4 blocks is written, so it goes through a buffer.
	var last [4 * tileBlock]int8
	mxfp4TileAVX512(&last[0], &blocks[groups*4*halfBlock], nb, 1, 1<<(4*left)-1)
	copy(data[groups*4*tileBlock:], last[:])
	for b := groups * 4; b < nb; b++ {
		for r := range tileRows {
			tileScales[b*tileRows+r] = halfScales[scales[r*nb+b]]
		}
	}
}
