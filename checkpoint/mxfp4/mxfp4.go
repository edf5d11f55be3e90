// Package mxfp4 holds the facts of the MXFP4 format as GPT-OSS checkpoints
// store it, with a plain decoder and encoder.
//
// A row is cut into blocks of 32 values along its last dimension. A block is 16
// bytes of 4-bit floats (e2m1): byte k holds value 2k in its low half and value
// 2k+1 in its high half. Blocks and their scales lie in tensors of their own; a
// scale byte s multiplies its block by 2^(s-127) (e8m0).
package mxfp4

import (
	"bytes"
	"fmt"
	"math"
)

const (
	BlockLen   = 32  // values in a block
	BlockBytes = 16  // bytes of a block without its scale
	ScaleBias  = 127 // the scale byte that means 1
	ScaleNaN   = 255 // the scale byte that is not a number
)

// Values are the numbers that the 16 codes stand for, before scaling.
var Values = [16]float32{0, 0.5, 1, 1.5, 2, 3, 4, 6, float32(math.Copysign(0, -1)), -0.5, -1, -1.5, -2, -3, -4, -6}

// Scale returns 2^(s-127), which float32 represents exactly for all s but [ScaleNaN].
func Scale(s byte) float32 { return float32(math.Ldexp(1, int(s)-ScaleBias)) }

// CheckScales returns an error that names the first [ScaleNaN] among scales.
func CheckScales(scales []byte) error {
	if i := bytes.IndexByte(scales, ScaleNaN); i >= 0 {
		return fmt.Errorf("mxfp4: scale of block %d is 255 (not a number): the data is damaged", i)
	}
	return nil
}

// Dequantize writes the values of blocks to dst. The lengths must agree: 32
// values and 16 bytes for each scale. A scale of 255 is refused before anything
// is written.
func Dequantize(dst []float32, blocks, scales []byte) error {
	if err := checkLengths(dst, blocks, scales); err != nil {
		return err
	}
	if err := CheckScales(scales); err != nil {
		return err
	}
	for i, s := range scales {
		scale := Scale(s)
		out := dst[i*BlockLen : (i+1)*BlockLen]
		for k, b := range blocks[i*BlockBytes : (i+1)*BlockBytes] {
			out[2*k] = Values[b&15] * scale
			out[2*k+1] = Values[b>>4] * scale
		}
	}
	return nil
}

// checkLengths returns an error unless values, blocks and scales describe the
// same number of blocks.
func checkLengths(values []float32, blocks, scales []byte) error {
	if len(values) != len(scales)*BlockLen || len(blocks) != len(scales)*BlockBytes {
		return fmt.Errorf("mxfp4: %d values, %d block bytes and %d scales do not belong together", len(values), len(blocks), len(scales))
	}
	return nil
}
