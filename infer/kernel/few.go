package kernel

import "unsafe"

// A few vectors, such as those of several texts that are decoded together, are not
// worth a panel of unpacked weights in memory: the weights are unpacked to
// registers, once for all vectors, and memory stays the limit. Kernels that do so
// read the vectors in the order in which they need them.

// maxFew is the largest number of vectors that count as few; two are the smallest.
// A kernel takes fewPart of them at most, which is what its registers allow. More are
// two parts, for which rows are read again from a cache: unpacking twice to registers
// costs less than a panel up to here, and 16 vectors are a whole group for AMX.
const (
	maxFew  = 2*fewPart - 1
	fewPart = 8
)

// fewBlocks are 4 blocks of one of a few vectors.
type fewBlocks struct {
	even, odd [4 * halfBlock]int8
	scale     [4 * vecStep]float32 // each block's, vecStep times
	corr      [4 * vecStep]int32
}

// hasFew tells whether the vectors of r are kept in the order of few, too.
func (r *int8Rows) hasFew() bool { return len(r.few) > 0 }

// resetFew makes room for few vectors, if that is what r has and a kernel wants.
func (r *int8Rows) resetFew() {
	r.few = r.few[:0]
	if n := r.blocks / 4 * r.n; r.n > 1 && r.n <= maxFew && active.mxfp4Few != nil {
		r.few = resize(r.few, n)
	}
}

// fewParts are how many of the vectors the first and the second part have.
func (r *int8Rows) fewParts() (first, second int) {
	if r.n <= fewPart {
		return r.n, 0
	}
	return (r.n + 1) / 2, r.n / 2
}

// setFew copies vector i to where kernels for a few vectors want it.
func (r *int8Rows) setFew(i int) {
	if !r.hasFew() {
		return
	}
	q := r.vector(i)
	first, second := r.fewParts()
	part, n, at := r.few, first, i
	if i >= first {
		part, n, at = r.few[r.blocks/4*first:], second, i-first
	}
	for g := range r.blocks / 4 {
		to := &part[g*n+at]
		for b := range 4 {
			from := (4*g + b) * blockLen
			*(*[halfBlock]int8)(to.even[b*halfBlock:]) = [halfBlock]int8(q[from:])
			*(*[halfBlock]int8)(to.odd[b*halfBlock:]) = [halfBlock]int8(q[from+halfBlock:])
			k := (4*g+b)*r.step + i
			for j := range vecStep {
				to.scale[b*vecStep+j], to.corr[b*vecStep+j] = r.scale[k], r.corr[k]
			}
		}
	}
}

// mulFew is MulBatch for a few vectors.
func (m *MXFP4) mulFew(dst []float32, stride int, x *int8Rows, lo, hi int) {
	first, second := x.fewParts()
	for ; lo < hi; lo += cachedRows {
		end := min(lo+cachedRows, hi)
		blocks, scales := m.rows(lo, end)
		active.mxfp4Few(dst[lo:], stride, end-lo, blocks, scales, x.few, first)
		if second > 0 {
			active.mxfp4Few(dst[first*stride+lo:], stride, end-lo, blocks, scales, x.few[x.blocks/4*first:], second)
		}
	}
}

// The assembly knows the layout.
var _ [256]byte = [unsafe.Sizeof(fewBlocks{})]byte{}
