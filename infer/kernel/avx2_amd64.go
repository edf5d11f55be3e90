package kernel

//go:noescape
func bf16VecAVX2(dst *float32, w *byte, n int, x *float32)

//go:noescape
func mxfp4FloatAVX2(dst *float32, w, s *byte, nb int, x *float32, table *[256]float32)

//go:noescape
func mxfp4Int8AVX2(dst *float32, w, s *byte, rowStep, nb, groups int, q *int8, scale *float32, corr *int32)

//go:noescape
func q8VecAVX2(dst *[tileRows]float32, data *int8, scales *uint16, nb int, q *int8, scale *float32, step int)

//go:noescape
func q8BatchAVX2(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, step int)

//go:noescape
func q8BatchSmallAVX2(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, step int)

//go:noescape
func mxfp4TileAVX2(data *int8, blocks *byte, nb int)

//go:noescape
func q8RowAVX2(data *int8, scales *uint16, row *byte, n int)

// avx2 needs AVX2 and FMA. Matrices of odd shapes, which models do not have, it
// leaves to the portable code.
var avx2 = &tier{
	name:       "avx2",
	bf16Vec:    bf16VecNarrow,
	mxfp4Float: mxfp4FloatNarrow,
	mxfp4Int8:  mxfp4Int8Narrow,
	q8Vec:      q8VecNarrow,
	q8Batch:    q8BatchNarrow,
	mxfp4Tile:  mxfp4TileNarrow,
	q8Row:      q8RowFast,
	split:      splitFast,
	quantize:   quantizeFast,

	add:             addFast,
	addScaled:       addScaledFast,
	addBF16:         addBF16Fast,
	swiglu:          swigluFast,
	expSum:          expSumFast,
	dotsF32:         dotsF32Fast,
	dotsBF16:        dotsBF16Fast,
	addWeightedF32:  addWeightedF32Fast,
	addWeightedBF16: addWeightedBF16Fast,
	sum64:           sum64Fast,
}

func bf16VecNarrow(dst []float32, w []byte, cols int, x []float32) {
	if cols%blockLen != 0 {
		bf16VecGeneric(dst, w, cols, x)
		return
	}
	for r := range dst {
		bf16VecAVX2(&dst[r], &w[r*cols*2], cols/blockLen, &x[0])
	}
}

func mxfp4FloatNarrow(dst []float32, blocks, scales []byte, x []float32) {
	nb := len(scales) / len(dst)
	for r := range dst {
		mxfp4FloatAVX2(&dst[r], &blocks[r*nb*halfBlock], &scales[r*nb], nb, &x[0], &e8m0Table)
	}
}

func mxfp4Int8Narrow(dst []float32, blocks, scales []byte, x *int8Rows) {
	nb := len(scales) / len(dst)
	if nb%2 != 0 {
		mxfp4Int8Generic(dst, blocks, scales, x)
		return
	}
	fourRows(dst, func(out *float32, r, step, groups int) {
		mxfp4Int8AVX2(out, &blocks[r*nb*halfBlock], &scales[r*nb], step*nb, nb, groups, &x.q[0], &x.scale[0], &x.corr[0])
	})
}

func q8VecNarrow(dst *[tileRows]float32, data []int8, scales []uint16, x *int8Rows, i, nb int) {
	q8VecAVX2(dst, &data[0], &scales[0], nb, &x.vector(i)[0], &x.scale[i], 4*x.step)
}

// q8BatchNarrow takes 8 rows and 4 vectors at a time. Those left over are taken
// with some that were done before, or one by one where there are no 4.
func q8BatchNarrow(dst []float32, stride int, data []int8, scales []uint16, x *int8Rows, from, to, nb int, small bool) {
	const rows, group = 8, 4
	if to-from < group {
		for i := from; i < to; i++ {
			q8VecNarrow((*[tileRows]float32)(dst[i*stride:]), data, scales, x, i, nb)
		}
		return
	}
	kernel := q8BatchAVX2
	if small {
		kernel = q8BatchSmallAVX2
	}
	qStep := x.blocks * blockLen
	for r := 0; r < tileRows; r += rows {
		for i := from; i < to; i += group {
			i = min(i, to-group)
			kernel(&dst[i*stride+r], 4*stride, &data[4*r], &scales[r], nb, &x.vector(i)[0], qStep, &x.scale[i], 4*x.step)
		}
	}
}

func mxfp4TileNarrow(data []int8, tileScales []uint16, blocks, scales []byte) {
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

// halfScales has half the values of all scales in bfloat16.
var halfScales = func() (t [256]uint16) {
	for s := range t {
		t[s] = toBF16(e8m0(byte(s)) / 2)
	}
	return t
}()

func q8RowFast(data []int8, scales []uint16, row []byte) {
	whole := len(row) / (2 * blockLen)
	if whole > 0 {
		q8RowAVX2(&data[0], &scales[0], &row[0], whole)
	}
	if len(row) > whole*2*blockLen {
		q8RowGeneric(data[whole*tileBlock:], scales[whole*tileRows:], row[whole*2*blockLen:])
	}
}
