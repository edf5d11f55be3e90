package kernel

//go:noescape
func mxfp4Int8AVX512(dst *[4]float32, w, s *byte, rowStep, nb int, q *int8, scale *float32, corr *int32)

//go:noescape
func q8VecAVX512(dst *[tileRows]float32, data *int8, scales *uint16, nb int, q *int8, scale *float32, corr *int32)

//go:noescape
func bf16VecAVX512(dst *[4]float32, w *byte, rowStep, cols int, x *float32)

// avx512 needs AVX-512 F, BW, DQ, VL, VBMI and VNNI.
var avx512 = func() *tier {
	k := *avx2
	k.name = "avx512"
	k.bf16Vec = func(dst []float32, w []byte, cols int, x []float32) {
		fourRows(dst, func(out *[4]float32, r, step int) {
			bf16VecAVX512(out, &w[r*cols*2], step*cols*2, cols, &x[0])
		})
	}
	k.mxfp4Int8 = func(dst []float32, blocks, scales []byte, x int8Rows) {
		nb := len(scales) / max(len(dst), 1)
		fourRows(dst, func(out *[4]float32, r, step int) {
			mxfp4Int8AVX512(out, &blocks[r*nb*halfBlock], &scales[r*nb], step*nb, nb, &x.q[0], &x.scale[0], &x.corr[0])
		})
	}
	k.q8Vec = func(dst *[tileRows]float32, data []int8, scales []uint16, x int8Rows, nb int) {
		q8VecAVX512(dst, &data[0], &scales[0], nb, &x.q[0], &x.scale[0], &x.corr[0])
	}
	return &k
}()

// fourRows calls f for dst's elements four at a time, r being the first of them
// and step 1. The last ones that do not make four it calls for one by one, with
// step 0: the four rows are then one, and so are the results.
func fourRows(dst []float32, f func(out *[4]float32, r, step int)) {
	r := 0
	for ; r+4 <= len(dst); r += 4 {
		f((*[4]float32)(dst[r:]), r, 1)
	}
	for ; r < len(dst); r++ {
		var out [4]float32
		f(&out, r, 0)
		dst[r] = out[0]
	}
}
