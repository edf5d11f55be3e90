package kernel

import "golang.org/x/sys/cpu"

//go:noescape
func q8BatchI8MM(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, step int)

// i8mm needs products of matrices of 8-bit integers beside what dotprod needs, from
// which it takes all but batches of integers.
var i8mm = func() *isa {
	k := *dotprod
	k.name, k.rank = "neon-i8mm", 3
	k.usable = func() bool { return dotprod.usable() && cpu.ARM64.HasI8MM }
	k.q8Batch = i8mmQ8Batch
	return &k
}()

var _ = register(i8mm)

// i8mmQ8Batch takes as many rows and vectors as dotQ8Batch.
func i8mmQ8Batch(dst []float32, stride int, data []int8, scales []uint16, x *int8Rows, from, to, nb int, _ bool) {
	batchOf8(q8BatchI8MM, dst, stride, data, scales, x, from, to, nb)
}
