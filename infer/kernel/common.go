package kernel

import "math"

// What several instruction sets need.

// fp4 has the values of the 4-bit floats, fp4Doubled twice that.
var (
	fp4        = [16]float32{0, .5, 1, 1.5, 2, 3, 4, 6, 0, -.5, -1, -1.5, -2, -3, -4, -6}
	fp4Doubled = [16]int8{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}
)

// fp4Most is the largest magnitude of fp4Doubled.
const fp4Most = 12

// e8m0 is the value 2^(s-127) of a scale.
func e8m0(s byte) float32 {
	return math.Float32frombits(max(uint32(s)<<23, 1<<22))
}

// e8m0Table has the values of all scales.
var e8m0Table = func() (t [256]float32) {
	for s := range t {
		t[s] = e8m0(byte(s))
	}
	return t
}()

// halfScales has half the values of all scales in bfloat16.
var halfScales = func() (t [256]uint16) {
	for s := range t {
		t[s] = toBF16(e8m0(byte(s)) / 2)
	}
	return t
}()

// expConstants are the constants of Exp in the order in which it uses them.
type expConstants [13]float32

var expTable = expConstants{expMin, expMax, log2e, expShift, ln2Hi, ln2Lo, exp5, exp4, exp3, exp2, exp1, exp0, 1}

// fourRows calls f for groups of four of dst's elements, r being the first of
// them and step 1. The last ones that do not make four it calls for one by one,
// with step 0: the four rows are then one, and so are the results.
func fourRows(dst []float32, f func(out *float32, r, step, groups int)) {
	groups := len(dst) / 4
	if groups > 0 {
		f(&dst[0], 0, 1, groups)
	}
	for r := groups * 4; r < len(dst); r++ {
		var out [4]float32
		f(&out[0], r, 0, 1)
		dst[r] = out[0]
	}
}
