package kernel

import (
	"encoding/binary"
	"math"
	"sync"

	"expertfs/checkpoint/q8"
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

// Floats returns the matrix with its numbers made float32 once, for a small one that is
// used often. Its products are those of m.
func (m *Wide) Floats() *Floats {
	p := padded(m.Cols)
	f := &Floats{m.Rows, m.Cols, make([]float32, m.Rows*p)}
	for r := range m.Rows {
		m.split(f.data[r*p:(r+1)*p], r)
	}
	return f
}

// Floats is a matrix of float32 numbers in the order of Vec.
type Floats struct {
	rows, cols int
	data       []float32 // [rows][padded cols]
}

// MulVec sets dst[r] to row r times x, for lo <= r < hi. Rows may be split over
// threads at will. The precision of x is F32 or BF16Act.
func (m *Floats) MulVec(dst []float32, x *Vec, lo, hi int) {
	checkRange(m.rows, m.cols, &x.b, lo, hi)
	mustBeFloat(x.b.act)
	p := padded(m.cols)
	DotsF32(dst[lo:hi], x.b.floats[:p], m.data[lo*p:hi*p], 1)
}

// MulBatch sets dst[i*stride+r] to row r times vector i of x, for lo <= r < hi.
// Rows may be split over threads at will. The precision of x is F32 or BF16Act.
func (m *Floats) MulBatch(dst []float32, stride int, x *Batch, lo, hi int, _ *Scratch) {
	checkRange(m.rows, m.cols, x, lo, hi)
	checkBatch(dst, stride, x, hi)
	mustBeFloat(x.act)
	p := padded(m.cols)
	for r := lo; r < hi; r += widePanel {
		end := min(r+widePanel, hi)
		for i := range x.n {
			DotsF32(dst[i*stride+r:i*stride+end], x.floats[i*p:(i+1)*p], m.data[r*p:end*p], 1)
		}
	}
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
func FromF16(h uint16) float32 { return q8.FromF16(h) }

// SetFloats rounds whole rows of float32 numbers, beginning with row lo, as
// SetRows does: for numbers that are bfloat16 it is the same.
func (m *Q8) SetFloats(lo int, rows []float32) {
	for ; len(rows) > 0; lo++ {
		data, scales := m.place(lo)
		q8.Floats(data, scales, rows[:m.cols])
		rows = rows[m.cols:]
	}
}

// SetQ8_0 sets whole rows, beginning with row lo, to the integers of Q8_0, with
// its scales, float16, rounded to bfloat16: the integers are not rounded again.
func (m *Q8) SetQ8_0(lo int, ints, scales []byte) {
	for ; len(ints) > 0; lo++ {
		data, to := m.place(lo)
		q8.Q8_0(data, to, ints[:m.cols], scales[:2*m.blocks])
		ints, scales = ints[m.cols:], scales[2*m.blocks:]
	}
}

// place is where the data and the scales of a row begin.
func (m *Q8) place(row int) (data []int8, scales []uint16) {
	tile, lane := row/tileRows, row%tileRows
	return m.data[tile*m.blocks*tileBlock+4*lane:], m.scales[tile*m.blocks*tileRows+lane:]
}
