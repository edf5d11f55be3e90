package mxfp4

import (
	"errors"
	"math"
)

// maxExponent is the exponent of the largest code, 6 = 1.5 * 2^2.
const maxExponent = 2

// Quantize rounds src to blocks and scales, whose lengths must agree as in
// [Dequantize]. A block's scale is the power of two that brings its largest
// magnitude into the codes' last binade; each value goes to the nearest code,
// ties to the even one, and saturates at the largest. Values that are not finite
// are an error.
func Quantize(blocks, scales []byte, src []float32) error {
	if err := checkLengths(src, blocks, scales); err != nil {
		return err
	}
	for i := range scales {
		in := src[i*BlockLen : (i+1)*BlockLen]
		s, err := blockScale(in)
		if err != nil {
			return err
		}
		scales[i] = s
		inverse := math.Ldexp(1, ScaleBias-int(s))
		for k := range BlockBytes {
			low, high := nearest(float64(in[2*k])*inverse), nearest(float64(in[2*k+1])*inverse)
			blocks[i*BlockBytes+k] = low | high<<4
		}
	}
	return nil
}

// blockScale returns the scale byte for one block.
func blockScale(block []float32) (byte, error) {
	var largest float64
	for _, v := range block {
		m := math.Abs(float64(v))
		if math.IsNaN(m) || math.IsInf(m, 0) {
			return 0, errors.New("mxfp4: value is not finite")
		}
		largest = max(largest, m)
	}
	if largest == 0 {
		return 0, nil
	}
	return byte(max(math.Ilogb(largest)-maxExponent+ScaleBias, 0)), nil
}

// nearest returns the code of the value nearest to v.
func nearest(v float64) byte {
	var sign byte
	if math.Signbit(v) {
		sign, v = 8, -v
	}
	code := byte(7)
	for c := range byte(7) {
		middle := float64(Values[c]+Values[c+1]) / 2
		if v < middle || v == middle && c%2 == 0 {
			code = c
			break
		}
	}
	return sign | code
}
