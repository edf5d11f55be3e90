package kernel

//go:noescape
func widenInt8AVX2(dst *float32, src *int8, n int)

func avx2WidenInt8(dst []float32, src []int8) {
	n := len(dst) / 16
	if n > 0 {
		widenInt8AVX2(&dst[0], &src[0], n)
	}
	widenInt8Generic(dst[16*n:], src[16*n:])
}
