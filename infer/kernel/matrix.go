package kernel

import (
	"fmt"
	"iter"
)

// Scratch is working memory of MulBatch. The zero value is ready; one must not
// be used by two calls at a time.
type Scratch struct {
	bf16   []byte   // a panel of rows in bfloat16
	ints   []int8   // a panel of rows in the layout of Q8
	scales []uint16 // and their scales
	one    Vec
}

// MXFP4 is a matrix of 4-bit floats with a scale for every 32 columns, as
// checkpoints have it. Cols is a multiple of 32. The scale 255 (NaN) gives
// undefined results.
type MXFP4 struct {
	Rows, Cols int
	Blocks     []byte // [Rows][Cols/32][16]: byte k has element 2k low, 2k+1 high
	Scales     []byte // [Rows][Cols/32]: s stands for 2^(s-127)
}

// MulVec sets dst[r] to row r times x, for lo <= r < hi. Rows may be split over
// threads at will. x has any precision.
func (m *MXFP4) MulVec(dst []float32, x *Vec, lo, hi int) {
	checkRange(m.Rows, m.Cols, &x.b, lo, hi)
	if lo == hi {
		return
	}
	blocks, scales := m.rows(lo, hi)
	if x.b.act == Int8 {
		active.mxfp4Int8(dst[lo:hi], blocks, scales, &x.b.ints)
		return
	}
	active.mxfp4Float(dst[lo:hi], blocks, scales, x.b.floats)
}

const (
	// unpackFrom is the number of vectors from which unpacking pays.
	unpackFrom = 4
	// floatPanel rows are unpacked at a time to bfloat16.
	floatPanel = 48
	// cachedRows rows are multiplied by one vector after the other: few enough to
	// stay in a cache.
	cachedRows = 128
	// cachedBytes of vectors are multiplied by all rows before the next.
	cachedBytes = 512 << 10
)

// MulBatch sets dst[i*stride+r] to row r times vector i of x, for lo <= r < hi.
// Rows may be split over threads at will, best at multiples of 16.
func (m *MXFP4) MulBatch(dst []float32, stride int, x *Batch, lo, hi int, s *Scratch) {
	checkRange(m.Rows, m.Cols, x, lo, hi)
	checkBatch(dst, stride, x, hi)
	switch {
	case lo == hi:
	case x.act == Int8 && x.ints.hasFew():
		m.mulFew(dst, stride, &x.ints, lo, hi)
		return
	case x.n < unpackFrom:
	case x.act == Int8 && active.q8Batch != nil:
		for ; lo+tileRows <= hi; lo += tileRows {
			m.unpackInt8(dst[lo:], stride, x, lo, s)
		}
	case x.act != Int8 && active.bf16Batch != nil:
		for ; lo < hi; lo = min(lo+floatPanel, hi) {
			m.unpackFloat(dst[lo:], stride, x, lo, min(lo+floatPanel, hi), s)
		}
	}
	for ; lo < hi; lo = min(lo+cachedRows, hi) {
		for i := range x.n {
			s.one.take(x, i)
			m.MulVec(dst[i*stride:], &s.one, lo, min(lo+cachedRows, hi))
		}
	}
}

// unpackInt8 multiplies 16 rows, from row r on, as a tile of Q8.
func (m *MXFP4) unpackInt8(dst []float32, stride int, x *Batch, r int, s *Scratch) {
	nb := m.Cols / blockLen
	blocks, scales := m.rows(r, r+tileRows)
	if n := nb * tileBlock; len(s.ints) < n {
		s.ints, s.scales = alignedInt8(n), make([]uint16, nb*tileRows)
	}
	active.mxfp4Tile(s.ints, s.scales, blocks, scales)
	active.q8Batch(dst, stride, s.ints, s.scales, &x.ints, 0, x.n, nb, true)
}

// unpackFloat multiplies the rows from lo to hi as bfloat16.
func (m *MXFP4) unpackFloat(dst []float32, stride int, x *Batch, lo, hi int, s *Scratch) {
	blocks, scales := m.rows(lo, hi)
	s.bf16 = resize(s.bf16, (hi-lo)*m.Cols*2)
	active.mxfp4BF16(s.bf16, blocks, scales)
	p := padded(m.Cols)
	for from, to := range x.chunks(4 * p) {
		active.bf16Batch(dst[from*stride:], stride, hi-lo, s.bf16, m.Cols, x.floats[from*p:], to-from)
	}
}

func (m *MXFP4) rows(lo, hi int) (blocks, scales []byte) {
	nb := m.Cols / blockLen
	return m.Blocks[lo*nb*halfBlock : hi*nb*halfBlock], m.Scales[lo*nb : hi*nb]
}

// BF16 is a matrix of bfloat16 numbers in little-endian bytes, of any alignment.
type BF16 struct {
	Rows, Cols int
	Data       []byte // [Rows][Cols][2]
}

// MulVec sets dst[r] to row r times x, for lo <= r < hi. Rows may be split over
// threads at will. The precision of x is F32 or BF16Act.
func (m *BF16) MulVec(dst []float32, x *Vec, lo, hi int) {
	checkRange(m.Rows, m.Cols, &x.b, lo, hi)
	mustBeFloat(x.b.act)
	active.bf16Vec(dst[lo:hi], m.rows(lo, hi), m.Cols, x.b.floats)
}

// MulBatch sets dst[i*stride+r] to row r times vector i of x, for lo <= r < hi.
// Rows may be split over threads at will. The precision of x is F32 or BF16Act.
func (m *BF16) MulBatch(dst []float32, stride int, x *Batch, lo, hi int, _ *Scratch) {
	checkRange(m.Rows, m.Cols, x, lo, hi)
	checkBatch(dst, stride, x, hi)
	mustBeFloat(x.act)
	p := padded(m.Cols)
	for from, to := range x.chunks(4 * p) {
		for r := lo; r < hi; r += cachedRows {
			end := min(r+cachedRows, hi)
			if active.bf16Batch != nil {
				active.bf16Batch(dst[from*stride+r:], stride, end-r, m.rows(r, end), m.Cols, x.floats[from*p:], to-from)
				continue
			}
			for i := from; i < to; i++ {
				active.bf16Vec(dst[i*stride+r:i*stride+end], m.rows(r, end), m.Cols, x.floats[i*p:])
			}
		}
	}
}

// chunks are the ranges of vectors, of size bytes each, to take at a time: a
// multiple of what any kernel takes.
func (b *Batch) chunks(size int) iter.Seq2[int, int] {
	const group = 16
	step := max(cachedBytes/max(size, 1)/group, 1) * group
	return func(yield func(from, to int) bool) {
		for from := 0; from < b.n; from += step {
			if !yield(from, min(from+step, b.n)) {
				return
			}
		}
	}
}

func (m *BF16) rows(lo, hi int) []byte { return m.Data[lo*m.Cols*2 : hi*m.Cols*2] }

func mustBeFloat(a Act) {
	if a == Int8 {
		panic("kernel: a BF16 matrix is multiplied by F32 or BF16Act activations, not Int8")
	}
}

func mustBeInt8(a Act) {
	if a != Int8 {
		panic("kernel: a Q8 matrix is multiplied by Int8 activations, not " + a.String())
	}
}

func checkRange(rows, cols int, x *Batch, lo, hi int) {
	if x.cols != cols || lo < 0 || lo > hi || hi > rows {
		panic(fmt.Sprintf("kernel: rows %d to %d of a %d x %d matrix by vectors of %d", lo, hi, rows, cols, x.cols))
	}
}

// checkBatch makes sure that results up to row hi fit, since assembly does not
// look where it writes.
func checkBatch(dst []float32, stride int, x *Batch, hi int) {
	if x.n > 0 && (stride < hi || len(dst) < (x.n-1)*stride+hi) {
		panic(fmt.Sprintf("kernel: %d vectors' rows up to %d do not fit %d results with stride %d", x.n, hi, len(dst), stride))
	}
}
