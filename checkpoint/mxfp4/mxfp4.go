// Package mxfp4 holds the facts of the MXFP4 format as GPT-OSS checkpoints
// store it.
//
// A row is cut into blocks of 32 values along its last dimension. A block is 16
// bytes of 4-bit floats (e2m1): byte k holds value 2k in its low half and value
// 2k+1 in its high half. The codes 0 to 7 stand for 0, 0.5, 1, 1.5, 2, 3, 4 and
// 6, and 8 to 15 for the negatives of these. Blocks and their scales lie in
// tensors of their own; a scale byte s multiplies its block by 2^(s-127) (e8m0).
package mxfp4

import "math"

const (
	BlockLen   = 32  // values in a block
	BlockBytes = 16  // bytes of a block without its scale
	ScaleBias  = 127 // the scale byte that means 1
	ScaleNaN   = 255 // the scale byte that is not a number
)

// codes are the values of the 16 codes.
var codes = [16]float32{0, 0.5, 1, 1.5, 2, 3, 4, 6, float32(math.Copysign(0, -1)), -0.5, -1, -1.5, -2, -3, -4, -6}

// Decode writes the values of blocks to dst, which has BlockLen for each of them.
// A value is exact, or infinite where float32 has no such number (above a scale of
// 252, which no sound checkpoint has); with the scale ScaleNaN it is none.
func Decode(dst []float32, blocks, scales []byte) {
	for i, s := range scales {
		scale := float32(math.Ldexp(1, int(s)-ScaleBias))
		if s == ScaleNaN {
			scale = float32(math.NaN())
		}
		for k, b := range blocks[i*BlockBytes:][:BlockBytes] {
			dst[i*BlockLen+2*k] = codes[b&15] * scale
			dst[i*BlockLen+2*k+1] = codes[b>>4] * scale
		}
	}
}
