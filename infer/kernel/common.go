package kernel

// What several instruction sets need.

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
