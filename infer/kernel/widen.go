package kernel

import "math"

// RoundInt8 sets dst to x in units of the returned scale, rounded to whole numbers,
// ties to even. The largest magnitude becomes 127; a vector of zeros has scale 0.
func RoundInt8(dst []int8, x []float32) (scale float32) {
	var most float32
	for _, f := range x {
		if f < 0 {
			f = -f
		}
		if f > most {
			most = f
		}
	}
	if most == 0 {
		clear(dst[:len(x)])
		return 0
	}
	unit := 127 / most
	for i, f := range x {
		dst[i] = int8(math.RoundToEven(float64(float32(f * unit))))
	}
	return most / 127
}

// WidenInt8 sets dst to the numbers in src, as many.
func WidenInt8(dst []float32, src []int8) {
	src = src[:len(dst)]
	if active.widenInt8 == nil {
		widenInt8Generic(dst, src)
		return
	}
	active.widenInt8(dst, src)
}

func widenInt8Generic(dst []float32, src []int8) {
	for i, v := range src {
		dst[i] = float32(v)
	}
}
