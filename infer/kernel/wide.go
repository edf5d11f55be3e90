package kernel

import (
	"encoding/binary"
	"math"
	"sync"
)

// WideKind is how a Wide matrix keeps its numbers.
type WideKind int

const (
	WideF32  WideKind = iota // float32
	WideF16                  // float16
	WideQ8_0                 // 8-bit integers, times a float16 for every 32 columns
)

// Wide is a matrix of numbers that bfloat16 cannot hold, read in place in its
// file format, in little-endian bytes of any alignment. A row is made float32,
// exactly, and multiplied as DotsF32 does, its elements in the order of Vec: first
// the even, then the odd ones of each 32 columns. That takes several times as long
// as BF16.
type Wide struct {
	Rows, Cols int
	Kind       WideKind
	Data       []byte // [Rows][Cols] numbers
	Scales     []byte // of WideQ8_0: [Rows][Cols/32] float16; Cols is a multiple of 32
}

// widePanel rows are made float32 at a time.
const widePanel = 16

// widePanels are the memory for panels.
var widePanels sync.Pool

// MulVec sets dst[r] to row r times x, for lo <= r < hi. Rows may be split over
// threads at will. The precision of x is F32 or BF16Act.
func (m *Wide) MulVec(dst []float32, x *Vec, lo, hi int) {
	checkRange(m.Rows, m.Cols, &x.b, lo, hi)
	mustBeFloat(x.b.act)
	m.panels(lo, hi, func(r, n int, rows []float32) {
		DotsF32(dst[r:r+n], x.b.floats[:padded(m.Cols)], rows, 1)
	})
}

// MulBatch sets dst[i*stride+r] to row r times vector i of x, for lo <= r < hi.
// Rows may be split over threads at will. The precision of x is F32 or BF16Act.
func (m *Wide) MulBatch(dst []float32, stride int, x *Batch, lo, hi int, _ *Scratch) {
	checkRange(m.Rows, m.Cols, x, lo, hi)
	checkBatch(dst, stride, x, hi)
	mustBeFloat(x.act)
	p := padded(m.Cols)
	m.panels(lo, hi, func(r, n int, rows []float32) {
		for i := range x.n {
			DotsF32(dst[i*stride+r:][:n], x.floats[i*p:(i+1)*p], rows, 1)
		}
	})
}

// panels calls f for all rows from lo to hi: n of them from row r on.
func (m *Wide) panels(lo, hi int, f func(r, n int, rows []float32)) {
	p := padded(m.Cols)
	memory, _ := widePanels.Get().(*[]float32)
	if memory == nil || len(*memory) < widePanel*p {
		memory = new(make([]float32, widePanel*p))
	}
	defer widePanels.Put(memory)
	for ; lo < hi; lo += widePanel {
		n := min(widePanel, hi-lo)
		rows := (*memory)[:n*p]
		for i := range n {
			m.split(rows[i*p:(i+1)*p], lo+i)
		}
		f(lo, n, rows)
	}
}

// split makes row r float32, in the order of Vec, and zeros beyond its end.
func (m *Wide) split(dst []float32, r int) {
	var block [blockLen]float32
	for at := 0; at < len(dst); at += blockLen {
		n := min(blockLen, m.Cols-at)
		m.block(block[:n], r, at)
		splitBlock(dst[at:at+blockLen], block[:n])
	}
}

// Row makes row r float32.
func (m *Wide) Row(dst []float32, r int) {
	for at := 0; at < m.Cols; at += blockLen {
		m.block(dst[at:min(at+blockLen, m.Cols)], r, at)
	}
}

// block makes the elements of row r from column at on, a multiple of 32, float32.
func (m *Wide) block(dst []float32, r, at int) {
	first := r*m.Cols + at
	switch m.Kind {
	case WideF32:
		data := m.Data[4*first:]
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
	case WideF16:
		data := m.Data[2*first:]
		for i := range dst {
			dst[i] = FromF16(binary.LittleEndian.Uint16(data[2*i:]))
		}
	case WideQ8_0:
		scale := FromF16(binary.LittleEndian.Uint16(m.Scales[first/blockLen*2:]))
		for i, q := range m.Data[first : first+len(dst)] {
			dst[i] = float32(int8(q)) * scale
		}
	}
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

// SetFloats rounds whole rows of float32 numbers, beginning with row lo, as
// SetRows does: for numbers that are bfloat16 it is the same.
func (m *Q8) SetFloats(lo int, rows []float32) {
	for ; len(rows) > 0; lo++ {
		row := rows[:m.cols]
		rows = rows[m.cols:]
		data, scales := m.place(lo)
		for b := range m.blocks {
			block := row[min(b*blockLen, m.cols):min((b+1)*blockLen, m.cols)]
			scale, inverse := q8FloatScale(block)
			scales[b*tileRows] = scale
			for c, v := range block {
				data[b*tileBlock+q8Index(c)] = roundToInt8(float32(v * inverse))
			}
		}
	}
}

// q8FloatScale is q8Scale of float32 numbers.
func q8FloatScale(block []float32) (scale uint16, inverse float32) {
	var largest uint32
	for _, v := range block {
		largest = max(largest, math.Float32bits(v)&0x7FFFFFFF)
	}
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

// SetQ8_0 sets whole rows, beginning with row lo, to the integers of Q8_0, with
// its scales, float16, rounded to bfloat16: the integers are not rounded again.
func (m *Q8) SetQ8_0(lo int, ints, scales []byte) {
	for ; len(ints) > 0; lo++ {
		data, to := m.place(lo)
		for b := range m.blocks {
			to[b*tileRows] = uint16(math.Float32bits(roundBF16(FromF16(binary.LittleEndian.Uint16(scales[2*b:])))) >> 16)
			for c, q := range ints[b*blockLen : (b+1)*blockLen] {
				data[b*tileBlock+q8Index(c)] = int8(q)
			}
		}
		ints, scales = ints[m.cols:], scales[2*m.blocks:]
	}
}

// place is where the data and the scales of a row begin.
func (m *Q8) place(row int) (data []int8, scales []uint16) {
	tile, lane := row/tileRows, row%tileRows
	return m.data[tile*m.blocks*tileBlock+4*lane:], m.scales[tile*m.blocks*tileRows+lane:]
}

// q8Index is where column c of a block stands, from where its row begins.
func q8Index(c int) int {
	k := c%2*halfBlock + c/2
	return k/4*tileRows*4 + k%4
}
