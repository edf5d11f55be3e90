package infer

import "expertfs/infer/kernel"

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
	kernel.RoundBF16(r.half[at:at+len(x)], x)
}

// dots sets dst[i] to scale times the product of q and the i-th row from
// element at on.
func (r *kvRows) dots(dst, q []float32, at int, scale float32) {
	end := at + len(dst)*len(q)
	if r.half == nil {
		kernel.DotsF32(dst, q, r.full[at:end], scale)
	} else {
		kernel.DotsBF16(dst, q, r.half[at:end], scale)
	}
}

// mix adds to out the rows from element at on, weighted by w.
func (r *kvRows) mix(out, w []float32, at int) {
	end := at + len(w)*len(out)
	if r.half == nil {
		kernel.AddWeightedF32(out, w, r.full[at:end])
	} else {
		kernel.AddWeightedBF16(out, w, r.half[at:end])
	}
}
