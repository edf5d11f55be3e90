package infer

import "math"

// kvRows are the keys or the values of a block, as float32 or as bfloat16.
type kvRows struct {
	full []float32
	half []uint16
}

func newRows(n int, half bool) kvRows {
	if half {
		return kvRows{half: make([]uint16, n)}
	}
	return kvRows{full: make([]float32, n)}
}

// set stores x from element at on.
func (r *kvRows) set(at int, x []float32) {
	if r.half == nil {
		copy(r.full[at:], x)
		return
	}
	for i, v := range x {
		r.half[at+i] = roundBF16(v)
	}
}

// dots sets dst[i] to the product of q and the i-th row from element at on.
func (r *kvRows) dots(dst, q []float32, at int) {
	for i := range dst {
		var sum float32
		if r.half == nil {
			for j, k := range r.full[at : at+len(q)] {
				sum += float32(q[j] * k)
			}
		} else {
			for j, k := range r.half[at : at+len(q)] {
				sum += float32(q[j] * widen(k))
			}
		}
		dst[i] = sum
		at += len(q)
	}
}

// mix adds to out the rows from element at on, weighted by w.
func (r *kvRows) mix(out, w []float32, at int) {
	for _, x := range w {
		if r.half == nil {
			for j, v := range r.full[at : at+len(out)] {
				out[j] += float32(x * v)
			}
		} else {
			for j, v := range r.half[at : at+len(out)] {
				out[j] += float32(x * widen(v))
			}
		}
		at += len(out)
	}
}

func widen(u uint16) float32 { return math.Float32frombits(uint32(u) << 16) }

// roundBF16 rounds to the nearest bfloat16, ties to even. Infinities stay, and
// NaNs stay NaNs.
func roundBF16(v float32) uint16 {
	b := math.Float32bits(v)
	if v != v {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
