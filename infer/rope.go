package infer

import (
	"math"

	"expertfs/checkpoint/config"
)

// rope turns queries and keys by angles that grow with the position: rotary
// embedding with YaRN's mix of interpolated and extrapolated frequencies.
type rope struct {
	frequency []float64 // [headDim/2], radians per position
	scale     float64   // YaRN's concentration, on both sine and cosine

	cos, sin buffer // of the present batch
}

func newRope(headDim int, c config.Rope) *rope {
	half := headDim / 2
	r := &rope{frequency: make([]float64, half), scale: 1}
	low, high := c.Bounds(headDim)
	for j := range r.frequency {
		extrapolated := math.Pow(c.Theta, -float64(j)/float64(half))
		r.frequency[j] = extrapolated
		if c.Factor > 1 {
			ramp := min(max((float64(j)-low)/(high-low), 0), 1)
			r.frequency[j] = extrapolated/c.Factor*ramp + extrapolated*(1-ramp)
		}
	}
	if c.Factor > 1 {
		r.scale = 0.1*math.Log(c.Factor) + 1
	}
	return r
}

// angles writes cosine and sine for one position, half a head each. Angles are
// float64: at position 131071 a float32 angle is off by a hundredth.
func (r *rope) angles(cos, sin []float32, position int) {
	for j, f := range r.frequency {
		s, c := math.Sincos(float64(position) * f)
		cos[j] = float32(c * r.scale)
		sin[j] = float32(s * r.scale)
	}
}

// positions are the places of a batch's tokens in their text, and the rotations
// that belong there: one row for a token, half a head each.
type positions struct {
	first    int // of the batch's first token
	cos, sin vectors
}

// positions computes the rotations of n tokens from position first on, once for
// all layers. They are valid until the next call.
func (r *rope) positions(first, n int) positions {
	half := len(r.frequency)
	p := positions{first, r.cos.take(n, half), r.sin.take(n, half)}
	for t := range n {
		r.angles(p.cos.at(t), p.sin.at(t), first+t)
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
