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
	KVQ8                 // int8, in units of a float32 for each row of a head
)

// String returns the name that options use.
func (k KVKind) String() string { return [...]string{"f32", "bf16", "q8"}[k] }

// rowBytes is what a row of dim elements takes.
func (k KVKind) rowBytes(dim int) int { return [...]int{4 * dim, 2 * dim, dim + 4}[k] }

// kvRows are the keys or the values of a block: rows of dim elements, blockLen
// for each head, all of one kind.
type kvRows struct {
	dim   int
	full  []float32
	half  []uint16
	ints  []int8
	units []float32 // by row, of ints
}

func newRows(heads, dim int, kind KVKind) kvRows {
	r := kvRows{dim: dim}
	rows := heads * blockLen
	switch kind {
	case KVF32:
		r.full = make([]float32, rows*dim)
	case KVBF16:
		r.half = make([]uint16, rows*dim)
	case KVQ8:
		r.ints, r.units = make([]int8, rows*dim), make([]float32, rows)
	}
	return r
}

// set stores x as a row.
func (r *kvRows) set(row int, x []float32) {
	at := row * r.dim
	switch {
	case r.half != nil:
		kernel.RoundBF16(r.half[at:at+len(x)], x)
	case r.ints != nil:
		r.units[row] = kernel.RoundInt8(r.ints[at:at+len(x)], x)
	default:
		copy(r.full[at:], x)
	}
}

// openRows are rows that several heads of queries are about to use.
type openRows struct {
	full    []float32
	half    []uint16
	units   []float32 // nil: full and half are the rows themselves
	weights []float32 // of mix
}

// rowSpace is one thread's memory for rows that are open.
type rowSpace struct{ wide, weights []float32 }

// open returns n rows from row on, until the next call with the same space. Integers
// are made floats once for all heads, so that what adds them up is the same for
// every kind.
func (r *kvRows) open(space *rowSpace, row, n int) openRows {
	at, end := row*r.dim, (row+n)*r.dim
	switch {
	case r.half != nil:
		return openRows{half: r.half[at:end]}
	case r.ints != nil:
		space.wide, space.weights = resize(space.wide, end-at), resize(space.weights, n)
		kernel.WidenInt8(space.wide, r.ints[at:end])
		return openRows{full: space.wide, units: r.units[row : row+n], weights: space.weights}
	}
	return openRows{full: r.full[at:end]}
}

// dots sets dst[i] to scale times the product of q and the i-th row.
func (o *openRows) dots(dst, q []float32, scale float32) {
	if o.half != nil {
		kernel.DotsBF16(dst, q, o.half, scale)
		return
	}
	kernel.DotsF32(dst, q, o.full, scale)
	for i, unit := range o.units {
		dst[i] *= unit
	}
}

// mix adds the rows to out, weighted by w.
func (o *openRows) mix(out, w []float32) {
	if o.half != nil {
		kernel.AddWeightedBF16(out, w, o.half)
		return
	}
	if o.units != nil {
		for i, unit := range o.units {
			o.weights[i] = w[i] * unit
		}
		w = o.weights
	}
	kernel.AddWeightedF32(out, w, o.full)
}

// copyRows copies rows lo to hi (not included) of each head.
func (r *kvRows) copyRows(from *kvRows, lo, hi int) {
	copyRows(r.full, from.full, r.dim, lo, hi)
	copyRows(r.half, from.half, r.dim, lo, hi)
	copyRows(r.ints, from.ints, r.dim, lo, hi)
	copyRows(r.units, from.units, 1, lo, hi)
}

// appendBytes appends the memory of rows lo to hi of each head, in few pieces.
func (r *kvRows) appendBytes(pieces [][]byte, lo, hi int) [][]byte {
	pieces = appendRows(pieces, r.full, r.dim, lo, hi)
	pieces = appendRows(pieces, r.half, r.dim, lo, hi)
	pieces = appendRows(pieces, r.ints, r.dim, lo, hi)
	return appendRows(pieces, r.units, 1, lo, hi)
}

// copyRows copies rows lo to hi of width elements of each head, blockLen rows
// apart.
func copyRows[T any](dst, src []T, width, lo, hi int) {
	for head := 0; head < len(src); head += blockLen * width {
		copy(dst[head+lo*width:head+hi*width], src[head+lo*width:])
	}
}

// appendRows appends these rows as bytes; a whole block is one piece.
func appendRows[T int8 | uint16 | float32](pieces [][]byte, rows []T, width, lo, hi int) [][]byte {
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
