package infer

import (
	"unsafe"

	"expertfs/infer/kernel"
)

// KVKind is how keys and values are kept.
type KVKind int

const (
	KVF32  KVKind = iota // float32
	KVBF16               // bfloat16
)

// String returns the name that options use.
func (k KVKind) String() string { return [...]string{"f32", "bf16"}[k] }

// rowBytes is what a row of dim elements takes.
func (k KVKind) rowBytes(dim int) int { return dim * [...]int{4, 2}[k] }

// kvRows are the keys or the values of a block: rows of dim elements, blockLen
// for each head, all of one kind.
type kvRows struct {
	dim  int
	full []float32
	half []uint16
}

func newRows(heads, dim int, kind KVKind) kvRows {
	r := kvRows{dim: dim}
	if n := heads * blockLen * dim; kind == KVBF16 {
		r.half = make([]uint16, n)
	} else {
		r.full = make([]float32, n)
	}
	return r
}

// set stores x as a row.
func (r *kvRows) set(row int, x []float32) {
	at := row * r.dim
	if r.half == nil {
		copy(r.full[at:], x)
		return
	}
	kernel.RoundBF16(r.half[at:at+len(x)], x)
}

// dots sets dst[i] to scale times the product of q and the i-th row from row on.
func (r *kvRows) dots(dst, q []float32, row int, scale float32) {
	at, end := row*r.dim, (row+len(dst))*r.dim
	if r.half == nil {
		kernel.DotsF32(dst, q, r.full[at:end], scale)
	} else {
		kernel.DotsBF16(dst, q, r.half[at:end], scale)
	}
}

// mix adds to out the rows from row on, weighted by w.
func (r *kvRows) mix(out, w []float32, row int) {
	at, end := row*r.dim, (row+len(w))*r.dim
	if r.half == nil {
		kernel.AddWeightedF32(out, w, r.full[at:end])
	} else {
		kernel.AddWeightedBF16(out, w, r.half[at:end])
	}
}

// copyRows copies rows lo to hi (not included) of each head.
func (r *kvRows) copyRows(from *kvRows, lo, hi int) {
	copyRows(r.full, from.full, r.dim, lo, hi)
	copyRows(r.half, from.half, r.dim, lo, hi)
}

// appendBytes appends the memory of rows lo to hi of each head, in few pieces.
func (r *kvRows) appendBytes(pieces [][]byte, lo, hi int) [][]byte {
	return appendRows(appendRows(pieces, r.full, r.dim, lo, hi), r.half, r.dim, lo, hi)
}

// copyRows copies rows lo to hi of width elements of each head, blockLen rows
// apart.
func copyRows[T any](dst, src []T, width, lo, hi int) {
	for head := 0; head < len(src); head += blockLen * width {
		copy(dst[head+lo*width:head+hi*width], src[head+lo*width:])
	}
}

// appendRows appends these rows as bytes; a whole block is one piece.
func appendRows[T uint16 | float32](pieces [][]byte, rows []T, width, lo, hi int) [][]byte {
	if lo == 0 && hi == blockLen && len(rows) > 0 {
		return append(pieces, asBytes(rows))
	}
	for head := 0; head < len(rows); head += blockLen * width {
		pieces = append(pieces, asBytes(rows[head+lo*width:head+hi*width]))
	}
	return pieces
}

// asBytes is the memory of x, which is not empty.
func asBytes[T any](x []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), len(x)*int(unsafe.Sizeof(x[0])))
}
