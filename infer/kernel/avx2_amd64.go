package kernel

import "unsafe"

//go:noescape
func sum64AVX2(b *byte, n int) uint64

// avx2 needs AVX2 and FMA.
var avx2 = func() *tier {
	k := *generic
	k.name = "avx2"
	k.sum64 = func(b []byte) uint64 {
		const group = 128
		n := len(b) / group
		if n == 0 {
			return sum64Generic(b)
		}
		return sum64AVX2(unsafe.SliceData(b), n) + sum64Generic(b[n*group:])
	}
	return &k
}()
