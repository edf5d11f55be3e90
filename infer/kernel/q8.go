package kernel

import (
	"math"
	"runtime"
	"unsafe"
)

const (
	tileRows  = 16                  // rows that are interleaved
	tileBlock = tileRows * blockLen // bytes of one block of a tile
)

// Q8 is a matrix of 8-bit integers with a bfloat16 scale for every 32 columns
// of a row: 1.0625 bytes a weight. It is made in memory, in a layout that is
// read from front to back.
//
// Rows are grouped in tiles of 16, and the tile's 32 columns of a block stand
// together, as 8 groups of 64 bytes: group k has, for each of the 16 rows, the
// elements 4k to 4k+3 of the block's 16 even, then 16 odd columns. That is the
// order in which dot-product and matrix instructions want one operand.
type Q8 struct {
	rows, cols int
	blocks     int      // blocks of a row
	data       []int8   // [tiles][blocks][8][16][4], aligned to 64 bytes
	scales     []uint16 // [tiles][blocks][16], bfloat16
}

// NewQ8 returns a matrix of zeros, to be filled by SetRows.
func NewQ8(rows, cols int) *Q8 {
	tiles := (rows + tileRows - 1) / tileRows
	q := &Q8{rows: rows, cols: cols, blocks: padded(cols) / blockLen}
	q.data = hugeInt8(q, tiles*q.blocks*tileBlock)
	q.scales = make([]uint16, tiles*q.blocks*tileRows)
	return q
}

// SetRows rounds whole rows of bfloat16 numbers, beginning with row lo, to 8
// bits. A block's scale is its largest magnitude over 127, rounded up to a
// bfloat16; a block with an infinity or a NaN gets the scale NaN, so that it
// shows in every product. Different rows may be set concurrently, and are best
// cut at multiples of 16.
func (m *Q8) SetRows(lo int, data []byte) {
	defer runtime.KeepAlive(m)
	for size := 2 * m.cols; len(data) > 0; lo++ {
		m.setRow(lo, data[:size])
		data = data[size:]
	}
}

// Bytes is the memory that the matrix takes.
func (m *Q8) Bytes() int { return len(m.data) + 2*len(m.scales) }

func (m *Q8) setRow(r int, row []byte) {
	tile, lane := r/tileRows, r%tileRows
	active.q8Row(m.data[tile*m.blocks*tileBlock+4*lane:], m.scales[tile*m.blocks*tileRows+lane:], row)
}

// q8Scale returns the scale of a block of bfloat16 numbers, and the factor that
// takes the numbers to integers.
func q8Scale(block *[2 * blockLen]byte) (scale uint16, inverse float32) {
	var largest uint16
	for i := 0; i < len(block); i += 2 {
		if u := uint16(block[i]) | uint16(block[i+1]&0x7f)<<8; u > largest {
			largest = u
		}
	}
	if largest >= 0x7f80 {
		return 0x7fc0, 0
	}
	if fromBF16(largest) < smallest {
		return 0, 0
	}
	bits := math.Float32bits(fromBF16(largest) / 127)
	scale = uint16((bits + 0xffff) >> 16)
	return scale, 1 / fromBF16(scale)
}

// smallest is the magnitude below which a whole block counts as zeros; it keeps
// scales and their inverses away from the denormal numbers.
const smallest = 0x1p-100

// roundToInt8 rounds to the nearest integer, ties to even. |f| is below 2^22.
func roundToInt8(f float32) int8 {
	const shift = 3 << 22 // has the integers as its last bits
	return int8(math.Float32bits(f + shift))
}

// MulVec sets dst[r] to row r times x, for lo <= r < hi. Rows may be split over
// threads at will, best at multiples of 16. The precision of x is Int8.
func (m *Q8) MulVec(dst []float32, x *Vec, lo, hi int) {
	defer runtime.KeepAlive(m)
	checkRange(m.rows, m.cols, &x.b, lo, hi)
	mustBeInt8(x.b.act)
	m.eachTile(lo, hi, func(r, skip, n int, data []int8, scales []uint16) {
		m.mulTile(dst[r:r+n], skip, data, scales, &x.b.ints, 0)
	})
}

// MulBatch sets dst[i*stride+r] to row r times vector i of x, for lo <= r < hi.
// Rows may be split over threads at will, best at multiples of 16. The
// precision of x is Int8.
func (m *Q8) MulBatch(dst []float32, stride int, x *Batch, lo, hi int, _ *Scratch) {
	defer runtime.KeepAlive(m)
	checkRange(m.rows, m.cols, x, lo, hi)
	checkBatch(dst, stride, x, hi)
	mustBeInt8(x.act)
	for from, to := range x.chunks(x.ints.blocks * blockLen) {
		m.eachTile(lo, hi, func(r, skip, n int, data []int8, scales []uint16) {
			if n == tileRows && active.q8Batch != nil {
				active.q8Batch(dst[r:], stride, data, scales, &x.ints, from, to, m.blocks, false)
				return
			}
			for i := from; i < to; i++ {
				m.mulTile(dst[i*stride+r:][:n], skip, data, scales, &x.ints, i)
			}
		})
	}
}

// mulTile sets dst to rows of a tile, from row skip on, times vector i of x.
func (m *Q8) mulTile(dst []float32, skip int, data []int8, scales []uint16, x *int8Rows, i int) {
	if len(dst) == tileRows {
		active.q8Vec((*[tileRows]float32)(dst), data, scales, x, i, m.blocks)
		return
	}
	var tile [tileRows]float32
	active.q8Vec(&tile, data, scales, x, i, m.blocks)
	copy(dst, tile[skip:])
}

// eachTile calls f for every tile that has rows of lo to hi: n rows from row r,
// after skip rows of the tile.
func (m *Q8) eachTile(lo, hi int, f func(r, skip, n int, data []int8, scales []uint16)) {
	for r := lo; r < hi; {
		tile, skip := r/tileRows, r%tileRows
		n := min(tileRows-skip, hi-r)
		f(r, skip, n, m.data[tile*m.blocks*tileBlock:(tile+1)*m.blocks*tileBlock],
			m.scales[tile*m.blocks*tileRows:(tile+1)*m.blocks*tileRows])
		r += n
	}
}

// alignedInt8 returns n bytes that begin at a cache line.
func alignedInt8(n int) []int8 {
	const line = 64
	s := make([]int8, n+line)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(s))) % line
	return s[skip:][:n:n]
}
