package kernel

import (
	"sync"

	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"
)

//go:noescape
func q8BatchAMX(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, step int)

// amx needs AMX-INT8 beside what avx512 needs, from which it takes all but
// batches of integers.
var amx = func() *isa {
	k := *avx512
	k.name, k.rank = "amx", 3
	k.usable = func() bool { return avx512.usable() && amxAllowed() }
	k.q8Batch = amxQ8Batch
	return &k
}()

var _ = register(amx)

// amxQ8Batch takes 16 vectors at a time. Those left over are taken with
// some that were done before; fewer than 16 are left to AVX-512.
func amxQ8Batch(dst []float32, stride int, data []int8, scales []uint16, x *int8Rows, from, to, nb int, unpacked bool) {
	const group = 16
	if to-from < group {
		avx512Q8Batch(dst, stride, data, scales, x, from, to, nb, unpacked)
		return
	}
	qStep := x.blocks * blockLen
	for i := from; i < to; i += group {
		i = min(i, to-group)
		q8BatchAMX(&dst[i*stride], 4*stride, &data[0], &scales[0], nb, &x.q[i*qStep], qStep, &x.scale[i], 4*x.step)
	}
}

// amxAllowed asks the system for the use of tiles, which it keeps no room for
// unless it is asked: once, and for the whole process.
var amxAllowed = sync.OnceValue(func() bool {
	const (
		archReqXcompPerm = 0x1023
		xtileData        = 18
	)
	if !cpu.X86.HasAMXTile || !cpu.X86.HasAMXInt8 {
		return false
	}
	_, _, errno := unix.Syscall(unix.SYS_ARCH_PRCTL, archReqXcompPerm, xtileData, 0)
	return errno == 0
})
