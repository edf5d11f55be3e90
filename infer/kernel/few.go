package kernel

import "unsafe"

// A few vectors, such as those of several texts that are decoded together, are not
// worth a panel of unpacked weights in memory: the weights are unpacked to
// registers, once for all vectors, and memory stays the limit. Kernels that do so
// read the vectors in the order in which they need them.

// maxFew is the largest number of vectors that count as few; two are the smallest.
const maxFew = 8

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

// setFew copies vector i to where kernels for a few vectors want it.
func (r *int8Rows) setFew(i int) {
	if !r.hasFew() {
		return
	}
	q := r.vector(i)
	for g := range r.blocks / 4 {
		to := &r.few[g*r.n+i]
		for b := range 4 {
			at := (4*g + b) * blockLen
			*(*[halfBlock]int8)(to.even[b*halfBlock:]) = [halfBlock]int8(q[at:])
			*(*[halfBlock]int8)(to.odd[b*halfBlock:]) = [halfBlock]int8(q[at+halfBlock:])
			k := (4*g+b)*r.step + i
			for j := range vecStep {
				to.scale[b*vecStep+j], to.corr[b*vecStep+j] = r.scale[k], r.corr[k]
			}
		}
	}
}

// The assembly knows the layout.
var _ [256]byte = [unsafe.Sizeof(fewBlocks{})]byte{}
