package kernel

import "fmt"

// Scratch is working memory of MulBatch. The zero value is ready; one must not
// be used by two calls at a time.
type Scratch struct {
	bf16   []byte // a panel of rows in bfloat16
	ints   []int8 // a panel of rows in the layout of Q8
	scales []uint16
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
	blocks, scales := m.rows(lo, hi)
	if x.b.act == Int8 {
		active.mxfp4Int8(dst[lo:hi], blocks, scales, x.b.ints)
		return
	}
	active.mxfp4Float(dst[lo:hi], blocks, scales, x.b.floats)
}

// batchRows is how many rows are unpacked at a time for a batch.
const batchRows = 16

// unpackFrom is the number of vectors from which it pays to unpack rows before
// multiplying.
const unpackFrom = 4

// MulBatch sets dst[i*stride+r] to row r times vector i of x, for lo <= r < hi.
// Rows may be split over threads at will; the work is done 16 rows at a time.
func (m *MXFP4) MulBatch(dst []float32, stride int, x *Batch, lo, hi int, s *Scratch) {
	checkRange(m.Rows, m.Cols, x, lo, hi)
	if x.n < unpackFrom {
		x.each(func(i int, v *Vec) { m.MulVec(dst[i*stride:], v, lo, hi) })
		return
	}
	nb := m.Cols / blockLen
	for r := lo; r < hi; r += batchRows {
		end := min(r+batchRows, hi)
		blocks, scales := m.rows(r, end)
		if x.act == Int8 {
			s.ints, s.scales = resize(s.ints, nb*tileBlock), resize(s.scales, nb*tileRows)
			active.mxfp4Tile(s.ints, s.scales, blocks, scales, nb)
			active.q8Batch(dst[r:], stride, end-r, s.ints, s.scales, x.ints, x.n, nb)
			continue
		}
		s.bf16 = resize(s.bf16, batchRows*m.Cols*2)
		active.mxfp4BF16(s.bf16, blocks, scales)
		active.bf16Batch(dst[r:], stride, end-r, s.bf16, m.Cols, x.floats, x.n)
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
	active.bf16Vec(dst[lo:hi], m.Data[lo*m.Cols*2:hi*m.Cols*2], m.Cols, x.b.floats)
}

// MulBatch sets dst[i*stride+r] to row r times vector i of x, for lo <= r < hi.
// Rows may be split over threads at will. The precision of x is F32 or BF16Act.
func (m *BF16) MulBatch(dst []float32, stride int, x *Batch, lo, hi int, _ *Scratch) {
	checkRange(m.Rows, m.Cols, x, lo, hi)
	mustBeFloat(x.act)
	for r := lo; r < hi; r += batchRows {
		end := min(r+batchRows, hi)
		active.bf16Batch(dst[r:], stride, end-r, m.Data[r*m.Cols*2:end*m.Cols*2], m.Cols, x.floats, x.n)
	}
}

// each calls f with every vector of b as a Vec.
func (b *Batch) each(f func(i int, v *Vec)) {
	v := &Vec{Batch{n: 1, cols: b.cols, act: b.act}}
	p := padded(b.cols)
	for i := range b.n {
		if b.act == Int8 {
			v.b.ints = b.ints.vector(i)
		} else {
			v.b.floats = b.floats[i*p : (i+1)*p]
		}
		f(i, v)
	}
}

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
