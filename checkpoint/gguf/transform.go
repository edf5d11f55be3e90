package gguf

import (
	"encoding/binary"
	"fmt"
	"math"

	mx "expertfs/checkpoint/mxfp4"
	"expertfs/checkpoint/view"
)

// blockBytes are the bytes of an MXFP4 block with its scale.
const blockBytes = 1 + mx.BlockBytes

// splitFunc takes blocks apart: n blocks of src, n*17 bytes, become n*16 bytes of
// blocks in OpenAI's order, and n scales.
type splitFunc func(blocks, scales, src []byte)

// splits are the functions for the types of MXFP4.
var splits = map[kind]splitFunc{mxfp4: splitGGML, mxfp4o: splitOllama}

// matrixTransform takes a matrix of experts apart: outputs are blocks and scales.
func matrixTransform(k kind) *view.Transform {
	split := splits[k]
	return &view.Transform{
		Name: "ggml-mxfp4", In: []int64{blockBytes}, Out: []int64{mx.BlockBytes, 1},
		Apply: func(dst, src [][]byte) { split(dst[0], dst[1], src[0]) },
		Fence: fence,
	}
}

// rowTransform takes a matrix of experts apart row by row, so that its rows may
// stand apart: those of gate and up alternate.
func rowTransform(k kind, columns int) *view.Transform {
	t := matrixTransform(k)
	blocks := int64(columns / mx.BlockLen)
	t.In[0] *= blocks
	t.Out[0] *= blocks
	t.Out[1] *= blocks
	return t
}

// splitOllamaGeneric is splitOllama without instructions of any processor: the values
// are in OpenAI's order already.
func splitOllamaGeneric(blocks, scales, src []byte) {
	for i := range scales {
		b := src[i*blockBytes:][:blockBytes:blockBytes]
		scales[i] = b[0]
		copy(blocks[i*mx.BlockBytes:(i+1)*mx.BlockBytes], b[1:])
	}
}

// splitGGMLGeneric is splitGGML without instructions of any processor.
func splitGGMLGeneric(blocks, scales, src []byte) {
	const nibbles = 0x0F0F0F0F0F0F0F0F
	for i := range scales {
		b := src[i*blockBytes:][:blockBytes:blockBytes]
		scales[i] = b[0]
		out := blocks[i*mx.BlockBytes:][:mx.BlockBytes:mx.BlockBytes]
		for half := range 2 {
			q := binary.LittleEndian.Uint64(b[1+8*half:])
			// Byte j of q holds value j of this half of a block's first 16 in
			// its low nibble, and of its last 16 in its high one.
			binary.LittleEndian.PutUint32(out[4*half:], pack(q&nibbles))
			binary.LittleEndian.PutUint32(out[8+4*half:], pack(q>>4&nibbles))
		}
	}
}

// pack puts the low nibbles of 8 bytes into 4, in order.
func pack(q uint64) uint32 {
	q = (q | q>>4) & 0x00FF00FF00FF00FF
	q = (q | q>>8) & 0x0000FFFF0000FFFF
	return uint32(q | q>>16)
}

// splitQ8 takes Q8_0 apart: outputs are the 8-bit numbers and their scales (F16).
var splitQ8 = &view.Transform{
	Name: "q8_0", In: []int64{34}, Out: []int64{32, 2},
	Apply: func(dst, src [][]byte) {
		for i := range len(src[0]) / 34 {
			b := src[0][i*34:][:34:34]
			copy(dst[1][2*i:2*i+2], b)
			copy(dst[0][32*i:32*i+32], b[2:])
		}
	},
}

// joinTransform makes vectors of float values of one type into one of another
// type, BF16 or F32; of several inputs it takes a value in turn.
func joinTransform(from, to kind, inputs int) *view.Transform {
	size, width := int(kinds[from].bytes), int(kinds[to].bytes)
	t := &view.Transform{Name: fmt.Sprintf("%s to %s", from, to), Out: []int64{int64(inputs * width)}}
	for range inputs {
		t.In = append(t.In, int64(size))
	}
	t.Apply = func(dst, src [][]byte) {
		for j, s := range src {
			for i := range len(s) / size {
				bits := floatBits(from, s[i*size:])
				out := dst[0][(i*inputs+j)*width:]
				if to == bf16 {
					binary.LittleEndian.PutUint16(out, uint16(bits>>16))
				} else {
					binary.LittleEndian.PutUint32(out, bits)
				}
			}
		}
	}
	return t
}

// floatBits returns the first value of b, of a float type, as a float32.
func floatBits(k kind, b []byte) uint32 {
	switch k {
	case bf16:
		return uint32(binary.LittleEndian.Uint16(b)) << 16
	case f16:
		return halfBits(binary.LittleEndian.Uint16(b))
	}
	return binary.LittleEndian.Uint32(b)
}

// halfBits returns a float16 as a float32.
func halfBits(h uint16) uint32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10&31), uint32(h&1023)
	switch exp {
	case 0: // zero, or subnormal: the fraction counts 2^-24
		return sign | math.Float32bits(float32(frac)*0x1p-24)
	case 31:
		return sign | 0xFF<<23 | frac<<13
	}
	return sign | (exp+112)<<23 | frac<<13
}
