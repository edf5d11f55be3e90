package kernel

import "math"

// The portable implementation. It follows the orders of the package comment to
// the letter; the other levels are tested against it.

var _ = register(generic)

var generic = &isa{
	name:       "generic",
	usable:     func() bool { return true },
	bf16Vec:    bf16VecGeneric,
	mxfp4Float: mxfp4FloatGeneric,
	mxfp4Int8:  mxfp4Int8Generic,
	q8Vec:      q8VecGeneric,
	split:      splitGeneric,
	quantize:   quantizeGeneric,

	add:             addGeneric,
	addScaled:       addScaledGeneric,
	addBF16:         addBF16Generic,
	swiglu:          swigluGeneric,
	expSum:          expSumGeneric,
	dotsF32:         dotsF32Generic,
	dotsBF16:        dotsBF16Generic,
	addWeightedF32:  addWeightedF32Generic,
	addWeightedBF16: addWeightedBF16Generic,
	sum64:           sum64Generic,
}

// fma32 is a*b + c, rounded once. The product is exact in float64 but the sum
// need not be, so rounding it again can go wrong: where the first rounding gave
// a tie, and where the result is a denormal.
func fma32(a, b, c float32) float32 {
	p := float64(a) * float64(b)
	s := p + float64(c)
	const tie, minNormal = 1 << 28, 1023 - 126
	if u := math.Float64bits(s); u&(2*tie-1) == tie || u>>52&0x7ff < minNormal {
		return roundedSum(p, float64(c))
	}
	return float32(s)
}

// roundedSum is p + c, rounded once to float32: where the sum in float64 is
// rounded and even, it is replaced by its odd neighbour on the side of what was
// cut off, which rounds as the exact sum does.
//
//go:noinline // keeps the common way through fma32 short
func roundedSum(p, c float64) float32 {
	s := p + c
	part := s - p
	cut := (p - (s - part)) + (c - part)
	u := math.Float64bits(s)
	if cut != 0 && u&1 == 0 {
		if (cut > 0) == (s > 0) {
			u++
		} else {
			u--
		}
	}
	return float32(math.Float64frombits(u))
}

// floatLanes are the accumulators of float activations: the 16 even, then the
// 16 odd elements of each block.
type floatLanes [blockLen]float32

func (l *floatLanes) sum() float32 {
	for n := halfBlock; n >= 1; n /= 2 {
		for i := range n {
			l[i] += l[i+n]
		}
	}
	return l[0] + 0
}

func bf16VecGeneric(dst []float32, w []byte, cols int, x []float32) {
	for r := range dst {
		dst[r] = bf16Dot(w[r*cols*2:(r+1)*cols*2], x)
	}
}

func bf16Dot(row []byte, x []float32) float32 {
	var acc floatLanes
	for ; len(row) > 0; x = x[blockLen:] {
		n := min(len(row), 2*blockLen)
		for i := 0; i+1 < n; i += 2 {
			k := i/2%2*halfBlock + i/4
			acc[k] = fma32(fromBF16(uint16(row[i])|uint16(row[i+1])<<8), x[k], acc[k])
		}
		row = row[n:]
	}
	return acc.sum()
}

func mxfp4FloatGeneric(dst []float32, blocks, scales []byte, x []float32) {
	nb := len(scales) / len(dst)
	for r := range dst {
		var acc floatLanes
		for b := range nb {
			scale := e8m0(scales[r*nb+b])
			xb := x[b*blockLen : (b+1)*blockLen]
			for k, v := range blocks[(r*nb+b)*halfBlock:][:halfBlock] {
				acc[k] = fma32(fp4[v&15]*scale, xb[k], acc[k])
				acc[halfBlock+k] = fma32(fp4[v>>4]*scale, xb[halfBlock+k], acc[halfBlock+k])
			}
		}
		dst[r] = acc.sum()
	}
}

// intLanes are the accumulators of integer activations.
type intLanes [4]float32

func (l *intLanes) add(block int, dot int32, weightScale, scale float32) {
	l[block%4] = fma32(float32(dot), weightScale*scale, l[block%4])
}

func (l *intLanes) sum() float32 { return ((l[0] + l[2]) + (l[1] + l[3])) + 0 }

func mxfp4Int8Generic(dst []float32, blocks, scales []byte, x *int8Rows) {
	nb := len(scales) / len(dst)
	for r := range dst {
		var acc intLanes
		for b := range nb {
			var dot int32
			xb := x.q[b*blockLen : (b+1)*blockLen]
			for k, v := range blocks[(r*nb+b)*halfBlock:][:halfBlock] {
				dot += int32(fp4Doubled[v&15])*int32(xb[k]) + int32(fp4Doubled[v>>4])*int32(xb[halfBlock+k])
			}
			acc.add(b, dot, e8m0(scales[r*nb+b]), x.scale[b*x.step]/2)
		}
		dst[r] = acc.sum()
	}
}

func q8VecGeneric(dst *[tileRows]float32, data []int8, scales []uint16, x *int8Rows, i, nb int) {
	var acc [tileRows]intLanes
	q := x.vector(i)
	for b := range nb {
		var dot [tileRows]int32
		for k := range blockLen / 4 {
			y := (*[4]int8)(q[b*blockLen+4*k:])
			group := data[b*tileBlock+k*4*tileRows:]
			for r := range dot {
				w := (*[4]int8)(group[4*r:])
				dot[r] += int32(w[0])*int32(y[0]) + int32(w[1])*int32(y[1]) + int32(w[2])*int32(y[2]) + int32(w[3])*int32(y[3])
			}
		}
		for r := range acc {
			acc[r].add(b, dot[r], fromBF16(scales[b*tileRows+r]), x.scale[b*x.step+i])
		}
	}
	for r := range acc {
		dst[r] = acc[r].sum()
	}
}

func splitGeneric(dst, x []float32, round bool) {
	for at := 0; at < len(dst); at += blockLen {
		splitBlock(dst[at:at+blockLen], x[at:])
	}
	if round {
		for i, f := range dst {
			dst[i] = roundBF16(f)
		}
	}
}

// quantizeGeneric prepares x as vector i of dst: a block's scale is its largest magnitude
// over 127, and its integers are rounded to the nearest, ties to even. A block
// below 2^-100 counts as zeros; one with an infinity or a NaN has the scale NaN
// and integers 0.
func quantizeGeneric(dst *int8Rows, i int, x []float32) {
	var block [blockLen]float32
	out := dst.vector(i)
	for b := range dst.blocks {
		splitBlock(block[:], x[min(b*blockLen, len(x)):])
		var largest uint32
		for _, f := range block {
			largest = max(largest, math.Float32bits(f)&0x7fffffff)
		}
		scale, inverse := int8Scale(largest)
		var sum int32
		for k, f := range block {
			var q int8
			if inverse != 0 {
				q = roundToInt8(float32(f * inverse))
			}
			out[b*blockLen+k] = q
			sum += int32(q)
		}
		dst.scale[b*dst.step+i], dst.corr[b*dst.step+i] = scale, -128*sum
	}
}

// int8Scale returns the scale of a block whose largest magnitude has the given
// bits, and the factor that takes its elements to integers.
func int8Scale(largest uint32) (scale, inverse float32) {
	f := math.Float32frombits(largest)
	switch {
	case largest >= 0x7f800000:
		return float32(math.NaN()), 0
	case f < smallest:
		return 0, 0
	}
	return f / 127, 127 / f
}

// smallest is the magnitude below which a whole block counts as zeros; it keeps
// scales and their inverses away from the denormal numbers.
const smallest = 0x1p-100

// roundToInt8 rounds to the nearest integer, ties to even. |f| is below 2^22.
func roundToInt8(f float32) int8 {
	const shift = 3 << 22 // has the integers as its last bits
	return int8(math.Float32bits(f + shift))
}
