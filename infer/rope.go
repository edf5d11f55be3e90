package infer

import "expertfs/checkpoint/config"

// rope turns queries and keys by angles that grow with the position: rotary
// embedding with YaRN's mix of interpolated and extrapolated frequencies.
type rope struct {
	frequency []float64 // [headDim/2], radians per position
	scale     float64   // YaRN's concentration, on both sine and cosine
}

func newRope(headDim int, c config.Rope) *rope {
	half := headDim / 2
	r := &rope{frequency: frequencies(c.Theta, half), scale: c.Concentration()}
	low, high := c.Bounds(headDim)
	for j, extrapolated := range r.frequency {
		if c.Factor > 1 {
			ramp := min(max((float64(j)-low)/(high-low), 0), 1)
			interpolated := extrapolated / c.Factor
			r.frequency[j] = float64(interpolated*ramp) + float64(extrapolated*(1-ramp)) // not fused
		}
	}
	return r
}

// angles writes cosine and sine for one position, half a head each. Angles are
// float64: at position 131071 a float32 angle is off by a hundredth.
func (r *rope) angles(cos, sin []float32, position int) {
	for j, f := range r.frequency {
		s, c := sincos(float64(position) * f)
		cos[j] = float32(c * r.scale)
		sin[j] = float32(s * r.scale)
	}
}

// positions computes the rotations of the rows of a batch, once for all layers.
func (r *rope) positions(m *batchMemory) positions {
	half := len(r.frequency)
	p := positions{m.rows, m.cos.take(len(m.rows), half), m.sin.take(len(m.rows), half)}
	for t, at := range m.rows {
		r.angles(p.cos.at(t), p.sin.at(t), at.position)
	}
	return p
}

// turn rotates one head in place; element j pairs with element j + half.
func turn(head, cos, sin []float32) {
	half := len(head) / 2
	first, second := head[:half], head[half:2*half]
	for j, c := range cos[:half] {
		s := sin[j]
		a, b := first[j], second[j]
		first[j] = float32(a*c) - float32(b*s) // the conversions forbid fusing
		second[j] = float32(b*c) + float32(a*s)
	}
}
