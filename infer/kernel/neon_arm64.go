package kernel

//go:noescape
func bf16VecNEON(dst *float32, w *byte, n int, x *float32)

//go:noescape
func mxfp4FloatNEON(dst *float32, w, s *byte, nb int, x *float32, planes *[256][2][16]byte)

//go:noescape
func mxfp4Int8NEON(dst *float32, w, s *byte, rowStep, nb, groups int, q *int8, scale *float32, values *[16]int8)

//go:noescape
func q8VecNEON(dst *[tileRows]float32, data *int8, scales *uint16, nb int, q *int8, scale *float32, step int)

//go:noescape
func q8BatchNEON(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, step int)

//go:noescape
func q8BatchSmallNEON(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, step int)

//go:noescape
func mxfp4TileNEON(data *int8, blocks *byte, nb int, values *[16]int8)

// neon is what every arm64 processor has. Matrices of odd shapes, which models do
// not have, it leaves to the portable code.
var neon = &isa{
	name:       "neon",
	rank:       1,
	usable:     func() bool { return true },
	bf16Vec:    neonBF16Vec,
	mxfp4Float: neonMXFP4Float,
	mxfp4Int8:  neonMXFP4Int8,
	q8Vec:      neonQ8Vec,
	q8Batch:    neonQ8Batch,
	mxfp4Tile:  neonMXFP4Tile,
	split:      neonSplit,
	quantize:   neonQuantize,

	add:             neonAdd,
	addScaled:       neonAddScaled,
	addBF16:         neonAddBF16,
	swiglu:          neonSwiGLU,
	expSum:          neonExpSum,
	dotsF32:         neonDotsF32,
	dotsBF16:        neonDotsBF16,
	addWeightedF32:  neonAddWeightedF32,
	addWeightedBF16: neonAddWeightedBF16,
	sum64:           neonSum64,
}

var _ = register(neon)

// fp4Planes has the values of the 4-bit floats under every scale in bfloat16,
// which holds them exactly: their lower bytes, then their upper ones. So tables of
// 16 bytes unpack a block.
var fp4Planes = func() (t [256][2][16]byte) {
	for s := range t {
		for v, f := range fp4 {
			u := toBF16(f * e8m0(byte(s)))
			t[s][0][v], t[s][1][v] = byte(u), byte(u>>8)
		}
	}
	return t
}()

func neonBF16Vec(dst []float32, w []byte, cols int, x []float32) {
	if cols%blockLen != 0 {
		bf16VecGeneric(dst, w, cols, x)
		return
	}
	for r := range dst {
		bf16VecNEON(&dst[r], &w[r*cols*2], cols/blockLen, &x[0])
	}
}

func neonMXFP4Float(dst []float32, blocks, scales []byte, x []float32) {
	nb := len(scales) / len(dst)
	for r := range dst {
		mxfp4FloatNEON(&dst[r], &blocks[r*nb*halfBlock], &scales[r*nb], nb, &x[0], &fp4Planes)
	}
}

func neonMXFP4Int8(dst []float32, blocks, scales []byte, x *int8Rows) {
	nb := len(scales) / len(dst)
	fourRows(dst, func(out *float32, r, step, groups int) {
		mxfp4Int8NEON(out, &blocks[r*nb*halfBlock], &scales[r*nb], step*nb, nb, groups, &x.q[0], &x.scale[0], &fp4Doubled)
	})
}

func neonQ8Vec(dst *[tileRows]float32, data []int8, scales []uint16, x *int8Rows, i, nb int) {
	q8VecNEON(dst, &data[0], &scales[0], nb, &x.vector(i)[0], &x.scale[i], 4*x.step)
}

// neonQ8Batch takes 8 rows and 4 vectors at a time. Those left over are taken
// with some that were done before, or one by one where there are no 4.
func neonQ8Batch(dst []float32, stride int, data []int8, scales []uint16, x *int8Rows, from, to, nb int, unpacked bool) {
	const rows, group = 8, 4
	if to-from < group {
		for i := from; i < to; i++ {
			neonQ8Vec((*[tileRows]float32)(dst[i*stride:]), data, scales, x, i, nb)
		}
		return
	}
	kernel := q8BatchNEON
	if unpacked {
		kernel = q8BatchSmallNEON
	}
	qStep := x.blocks * blockLen
	for r := 0; r < tileRows; r += rows {
		for i := from; i < to; i += group {
			i = min(i, to-group)
			kernel(&dst[i*stride+r], 4*stride, &data[4*r], &scales[r], nb, &x.vector(i)[0], qStep, &x.scale[i], 4*x.step)
		}
	}
}

func neonMXFP4Tile(data []int8, tileScales []uint16, blocks, scales []byte) {
	const rows = 4
	nb := len(scales) / tileRows
	for r := 0; r < tileRows; r += rows {
		mxfp4TileNEON(&data[4*r], &blocks[r*nb*halfBlock], nb, &fp4Doubled)
	}
	for r := range tileRows {
		for b, s := range scales[r*nb : (r+1)*nb] {
			tileScales[b*tileRows+r] = halfScales[s]
		}
	}
}
