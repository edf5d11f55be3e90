package q8

import (
	"encoding/binary"
	"math"
)

const (
	BlockLen  = 32                  // columns that share a scale
	TileRows  = 16                  // rows that are interleaved
	TileBlock = TileRows * BlockLen // bytes of one block of a tile
)

// Blocks returns the blocks of a row of so many columns.
func Blocks(columns int) int { return (columns + BlockLen - 1) / BlockLen }

// Tiles returns the tiles of so many rows.
func Tiles(rows int) int { return (rows + TileRows - 1) / TileRows }

// index is where column c of a block stands, from where its row begins.
func index(c int) int {
	k := c%2*(BlockLen/2) + c/2
	return k/4*TileRows*4 + k%4
}

// RowGeneric rounds a row of bfloat16 numbers, in little-endian bytes. Data and
// scales begin with the row's first integer and first scale: those of its blocks
// come TileBlock and TileRows further on each.
func RowGeneric(data []int8, scales []uint16, row []byte) {
	for b := 0; len(row) > 0; b++ {
		var in [2 * BlockLen]byte
		row = row[copy(in[:], row):]
		scale, inverse := scaleBF16(&in)
		scales[b*TileRows] = scale
		for c := range BlockLen {
			v := fromBF16(binary.LittleEndian.Uint16(in[2*c:]))
			data[b*TileBlock+index(c)] = round(float32(v * inverse))
		}
	}
}

// scaleBF16 returns the scale of a block of bfloat16 numbers, and the factor that
// takes the numbers to integers.
func scaleBF16(block *[2 * BlockLen]byte) (scale uint16, inverse float32) {
	var largest uint16
	for i := 0; i < len(block); i += 2 {
		largest = max(largest, binary.LittleEndian.Uint16(block[i:])&0x7FFF)
	}
	return scaleOf(uint32(largest) << 16)
}

// Floats is Row for float32 numbers: for those that are bfloat16 it is the same.
func Floats(data []int8, scales []uint16, row []float32) {
	for b := range Blocks(len(row)) {
		var block [BlockLen]float32
		copy(block[:], row[b*BlockLen:])
		var largest uint32
		for _, v := range block {
			largest = max(largest, math.Float32bits(v)&0x7FFFFFFF)
		}
		scale, inverse := scaleOf(largest)
		scales[b*TileRows] = scale
		for c, v := range block {
			data[b*TileBlock+index(c)] = round(float32(v * inverse))
		}
	}
}

// smallest is the magnitude below which a whole block counts as zeros; it keeps
// scales and their inverses away from the denormal numbers.
const smallest = 0x1p-100

// scaleOf returns the scale of a block by its largest magnitude, in the bits of a
// float32.
func scaleOf(largest uint32) (scale uint16, inverse float32) {
	if largest >= 0x7F800000 {
		return 0x7FC0, 0
	}
	if math.Float32frombits(largest) < smallest {
		return 0, 0
	}
	bits := math.Float32bits(math.Float32frombits(largest) / 127)
	scale = uint16((bits + 0xFFFF) >> 16)
	return scale, 1 / fromBF16(scale)
}

// round returns the nearest integer, ties to even. |f| is below 2^22.
func round(f float32) int8 {
	const shift = 3 << 22 // has the integers as its last bits
	return int8(math.Float32bits(f + shift))
}

// Q8_0 sets a row to the integers of Q8_0, whose scales, float16, are rounded to
// bfloat16: the integers are not rounded again. A row is whole blocks.
func Q8_0(data []int8, to []uint16, ints, scales []byte) {
	for b := range len(ints) / BlockLen {
		to[b*TileRows] = toBF16(FromF16(binary.LittleEndian.Uint16(scales[2*b:])))
		for c, q := range ints[b*BlockLen : (b+1)*BlockLen] {
			data[b*TileBlock+index(c)] = int8(q)
		}
	}
}

func fromBF16(u uint16) float32 { return math.Float32frombits(uint32(u) << 16) }

// toBF16 rounds to the nearest bfloat16, ties to even.
func toBF16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7FFFFFFF > 0x7F800000 {
		return uint16(b>>16) | 0x40 // stays a NaN when the low bits go
	}
	return uint16((b + 0x7FFF + b>>16&1) >> 16)
}

// FromF16 returns the value of a float16.
func FromF16(h uint16) float32 {
	// The exponent and fraction, moved to where a float32 has them, are the
	// value times 2^-112: the product is exact, for denormals too.
	v := math.Float32frombits(uint32(h&0x7FFF)<<13) * 0x1p112
	bits := math.Float32bits(v)
	if h&0x7C00 == 0x7C00 { // an infinity or a NaN
		bits = 0xFF<<23 | uint32(h&0x3FF)<<13
	}
	return math.Float32frombits(bits | uint32(h>>15)<<31)
}
