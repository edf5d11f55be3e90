package kernel

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"expertfs/checkpoint/q8"
)

const (
	tileRows  = q8.TileRows  // rows that are interleaved
	tileBlock = q8.TileBlock // bytes of one block of a tile
)

// Q8 is a matrix of 8-bit integers with a bfloat16 scale for every 32 columns
// of a row, in tiles of 16 rows: package q8 has the order and the rounding. It is
// made in memory, or lies in a file.
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

// MapQ8 returns the matrix whose data and scales are these bytes, which it reads
// in place and which may be read-only. They begin at a multiple of 64 bytes, and
// have the lengths that the shape gives.
func MapQ8(rows, cols int, data, scales []byte) (*Q8, error) {
	m := &Q8{rows: rows, cols: cols, blocks: q8.Blocks(cols), data: q8.Int8s(data), scales: q8.BF16s(scales)}
	n := q8.Tiles(rows) * m.blocks
	if len(data) != n*tileBlock || len(scales) != n*tileRows*2 {
		return nil, fmt.Errorf("%d and %d bytes are no matrix of %d rows and %d columns", len(data), len(scales), rows, cols)
	}
	if uintptr(unsafe.Pointer(unsafe.SliceData(data)))%cacheLine != 0 || uintptr(unsafe.Pointer(unsafe.SliceData(scales)))%2 != 0 {
		return nil, errors.New("the matrix does not begin on a cache line")
	}
	return m, nil
}

// SetRows rounds whole rows of bfloat16 numbers, beginning with row lo, to 8
// bits. Different rows may be set concurrently, and are best cut at multiples of 16.
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
	data, scales := m.place(r)
	q8.Row(data, scales, row)
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

// cacheLine is its size in bytes.
const cacheLine = 64

// alignedInt8 returns n bytes that begin at a cache line.
func alignedInt8(n int) []int8 {
	s := make([]int8, n+cacheLine)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(s))) % cacheLine
	return s[skip:][:n:n]
}
