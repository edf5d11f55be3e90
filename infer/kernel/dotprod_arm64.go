package kernel

import "golang.org/x/sys/cpu"

//go:noescape
func mxfp4Int8Dot(dst *float32, w, s *byte, rowStep, nb, groups int, q *int8, scale *float32, values *[16]int8)

//go:noescape
func q8VecDot(dst *[tileRows]float32, data *int8, scales *uint16, nb int, q *int8, scale *float32, step int)

//go:noescape
func q8BatchDot(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, step int)

// dotprod needs the dot products of 8-bit integers. What it does not replace is as
// in neon.
var dotprod = func() *isa {
	k := *neon
	k.name, k.rank = "neon-dotprod", 2
	k.usable = func() bool { return cpu.ARM64.HasASIMDDP }
	k.mxfp4Int8 = dotMXFP4Int8
	k.q8Vec = dotQ8Vec
	k.q8Batch = dotQ8Batch
	return &k
}()

var _ = register(dotprod)

func dotMXFP4Int8(dst []float32, blocks, scales []byte, x *int8Rows) {
	nb := len(scales) / len(dst)
	fourRows(dst, func(out *float32, r, step, groups int) {
		mxfp4Int8Dot(out, &blocks[r*nb*halfBlock], &scales[r*nb], step*nb, nb, groups, &x.q[0], &x.scale[0], &fp4Doubled)
	})
}

func dotQ8Vec(dst *[tileRows]float32, data []int8, scales []uint16, x *int8Rows, i, nb int) {
	q8VecDot(dst, &data[0], &scales[0], nb, &x.vector(i)[0], &x.scale[i], 4*x.step)
}

// dotQ8Batch takes 8 rows and 8 vectors at a time. Those left over are taken with
// some that were done before, or one by one where there are no 8.
func dotQ8Batch(dst []float32, stride int, data []int8, scales []uint16, x *int8Rows, from, to, nb int, _ bool) {
	batchOf8(q8BatchDot, dst, stride, data, scales, x, from, to, nb)
}

func batchOf8(kernel func(*float32, int, *int8, *uint16, int, *int8, int, *float32, int),
	dst []float32, stride int, data []int8, scales []uint16, x *int8Rows, from, to, nb int) {
	const rows, group = 8, 8
	if to-from < group {
		for i := from; i < to; i++ {
			dotQ8Vec((*[tileRows]float32)(dst[i*stride:]), data, scales, x, i, nb)
		}
		return
	}
	qStep := x.blocks * blockLen
	for r := 0; r < tileRows; r += rows {
		for i := from; i < to; i += group {
			i = min(i, to-group)
			kernel(&dst[i*stride+r], 4*stride, &data[4*r], &scales[r], nb, &x.vector(i)[0], qStep, &x.scale[i], 4*x.step)
		}
	}
}
