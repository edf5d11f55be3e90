package kernel

import "golang.org/x/sys/cpu"

//go:noescape
func bf16VecAVX2(dst *float32, w *byte, n int, x *float32)

//go:noescape
func mxfp4FloatAVX2(dst *float32, w, s *byte, nb int, x *float32, table *[256]float32)

//go:noescape
func mxfp4Int8AVX2(dst *float32, w, s *byte, rowStep, nb, groups int, q *int8, scale *float32, corr *int32)

//go:noescape
func mxfp4FewAVX2(dst *float32, stride int, w, s *byte, rowStep, nb, groups int, x *fewBlocks, n int)

//go:noescape
func q8VecAVX2(dst *[tileRows]float32, data *int8, scales *uint16, nb int, q *int8, scale *float32, step int)

//go:noescape
func q8BatchAVX2(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, step int)

//go:noescape
func mxfp4BatchAVX2(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, lanes *uint32, step int)

//go:noescape
func mxfp4TileAVX2(data *int8, blocks *byte, nb int)

// avx2 needs AVX2 and FMA. BF16 matrices of odd shapes, which models do not have, it
// leaves to the portable code.
var avx2 = &isa{
	name:       "avx2",
	rank:       1,
	usable:     func() bool { return cpu.X86.HasAVX2 && cpu.X86.HasFMA },
	bf16Vec:    avx2BF16Vec,
	mxfp4Float: avx2MXFP4Float,
	mxfp4Int8:  avx2MXFP4Int8,
	mxfp4Few:   avx2MXFP4Few,
	q8Vec:      avx2Q8Vec,
	q8Batch:    avx2Q8Batch,
	mxfp4Tile:  avx2MXFP4Tile,
	wantsLanes: true,
	split:      avx2Split,
	quantize:   avx2Quantize,

	add:             avx2Add,
	addScaled:       avx2AddScaled,
	addBF16:         avx2AddBF16,
	swiglu:          avx2SwiGLU,
	expSum:          avx2ExpSum,
	dotsF32:         avx2DotsF32,
	dotsBF16:        avx2DotsBF16,
	addWeightedF32:  avx2AddWeightedF32,
	addWeightedBF16: avx2AddWeightedBF16,
	widenInt8:       avx2WidenInt8,
	sum64:           avx2Sum64,
}

var _ = register(avx2)

func avx2BF16Vec(dst []float32, w []byte, cols int, x []float32) {
	if cols%blockLen != 0 {
		bf16VecGeneric(dst, w, cols, x)
		return
	}
	for r := range dst {
		bf16VecAVX2(&dst[r], &w[r*cols*2], cols/blockLen, &x[0])
	}
}

func avx2MXFP4Float(dst []float32, blocks, scales []byte, x []float32) {
	nb := len(scales) / len(dst)
	for r := range dst {
		mxfp4FloatAVX2(&dst[r], &blocks[r*nb*halfBlock], &scales[r*nb], nb, &x[0], &e8m0Table)
	}
}

func avx2MXFP4Int8(dst []float32, blocks, scales []byte, x *int8Rows) {
	nb := len(scales) / len(dst)
	fourRows(dst, func(out *float32, r, step, groups int) {
		mxfp4Int8AVX2(out, &blocks[r*nb*halfBlock], &scales[r*nb], step*nb, nb, groups, &x.q[0], &x.scale[0], &x.corr[0])
	})
}

func avx2MXFP4Few(dst []float32, stride, rows int, blocks, scales []byte, x []fewBlocks, n int) {
	nb := len(scales) / rows
	fewRows(dst, stride, rows, n, func(out *float32, stride, r, step, groups int) {
		mxfp4FewAVX2(out, stride, &blocks[r*nb*halfBlock], &scales[r*nb], step*nb, nb, groups, &x[0], n)
	})
}

func avx2Q8Vec(dst *[tileRows]float32, data []int8, scales []uint16, x *int8Rows, i, nb int) {
	q8VecAVX2(dst, &data[0], &scales[0], nb, &x.vector(i)[0], &x.scale[i], 4*x.step)
}

// avx2Q8Batch takes 8 rows and 4 vectors at a time. Those left over are taken
// with some that were done before, or one by one where there are no 4.
func avx2Q8Batch(dst []float32, stride int, data []int8, scales []uint16, x *int8Rows, from, to, nb int, unpacked bool) {
	const rows, group = 8, 4
	if unpacked {
		avx2MXFP4Batch(dst, stride, data, scales, x, from, to, nb)
		return
	}
	if to-from < group {
		for i := from; i < to; i++ {
			avx2Q8Vec((*[tileRows]float32)(dst[i*stride:]), data, scales, x, i, nb)
		}
		return
	}
	qStep := x.blocks * blockLen
	for r := 0; r < tileRows; r += rows {
		for i := from; i < to; i += group {
			i = min(i, to-group)
			q8BatchAVX2(&dst[i*stride+r], 4*stride, &data[4*r], &scales[r], nb, &x.vector(i)[0], qStep, &x.scale[i], 4*x.step)
		}
	}
}

// avx2MXFP4Batch takes a tile of avx2MXFP4Tile and 4 vectors at a time, of which there
// are more. Those left over are taken with some that were done before.
func avx2MXFP4Batch(dst []float32, stride int, data []int8, scales []uint16, x *int8Rows, from, to, nb int) {
	const group = 4
	qStep := x.blocks * blockLen
	for i := from; i < to; i += group {
		i = min(i, to-group)
		mxfp4BatchAVX2(&dst[i*stride], 4*stride, &data[0], &scales[0], nb, &x.vector(i)[0], qStep, &x.scale[i], &x.lanes[i], 4*x.step)
	}
}

func avx2MXFP4Tile(data []int8, tileScales []uint16, blocks, scales []byte) {
	const rows = 8
	nb := len(scales) / tileRows
	mxfp4TileAVX2(&data[0], &blocks[0], nb)
	mxfp4TileAVX2(&data[4*rows], &blocks[rows*nb*halfBlock], nb)
	for r := range tileRows {
		for b, s := range scales[r*nb : (r+1)*nb] {
			tileScales[b*tileRows+r] = halfScales[s]
		}
	}
}

// fewRows is fourRows for n vectors, whose results are stride elements apart in dst, and
// stride bytes where f puts them.
func fewRows(dst []float32, stride, rows, n int, f func(out *float32, stride, r, step, groups int)) {
	groups := rows / 4
	if groups > 0 {
		f(&dst[0], 4*stride, 0, 1, groups)
	}
	for r := groups * 4; r < rows; r++ {
		var out [fewPart][4]float32
		f(&out[0][0], 4*4, r, 0, 1)
		for i := range n {
			dst[i*stride+r] = out[i][0]
		}
	}
}
