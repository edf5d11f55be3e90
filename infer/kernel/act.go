package kernel

import (
	"fmt"
	"math"
	"unsafe"
)

// Act is the precision of activations.
type Act int

const (
	F32     Act = iota // float32 as they are
	BF16Act            // rounded to bfloat16, then used as float32
	Int8               // blocks of 32: integers -127..127 and a float32 scale
)

// String returns the name that options use.
func (a Act) String() string {
	switch a {
	case F32:
		return "f32"
	case BF16Act:
		return "bf16"
	case Int8:
		return "int8"
	}
	return fmt.Sprintf("Act(%d)", int(a))
}

const (
	blockLen  = 32 // columns that share a scale
	halfBlock = blockLen / 2
)

// Vec is one activation vector, prepared once and then multiplied by many rows.
// The zero value is ready for Set. It may be read concurrently.
type Vec struct{ b Batch }

// Set prepares x. The memory of v is reused.
func (v *Vec) Set(x []float32, act Act) {
	v.b.reset(1, len(x), act, vecStep)
	v.b.Set(0, x)
	v.spread()
}

// take makes v vector i of b.
func (v *Vec) take(b *Batch, i int) {
	v.b.reset(1, b.cols, b.act, vecStep)
	v.b.copyVector(0, b, i)
	v.spread()
}

// spread copies what a block has one of to the places where kernels for one
// vector want it, too.
func (v *Vec) spread() {
	if v.b.act != Int8 {
		return
	}
	r := &v.b.ints
	for at := 0; at < len(r.scale); at += vecStep {
		for i := 1; i < vecStep; i++ {
			r.scale[at+i], r.corr[at+i] = r.scale[at], r.corr[at]
		}
	}
	if active.one != nil {
		active.one(r)
	}
}

// Batch is a number of activation vectors of one length and precision, prepared
// for MulBatch. The zero value is ready for Reset. It may be read concurrently.
type Batch struct {
	n, cols int
	act     Act
	floats  []float32 // F32, BF16Act: [n][padded cols], each 32 as 16 even, 16 odd ones
	ints    int8Rows  // Int8
}

// int8Rows are vectors of Int8 activations. The number of blocks is padded to a
// multiple of 4 by blocks of zeros. What blocks have one of stands side by side
// for all vectors of a batch, and four times for a single vector.
type int8Rows struct {
	n      int       // vectors
	step   int       // from one block to the next in scale and corr: n, or vecStep
	blocks int       // blocks of a vector, padding included
	q      []int8    // [n][blocks][32], a block being its 16 even, then its 16 odd elements
	scale  []float32 // [blocks][step]
	corr   []int32   // [blocks][step]: -128 times the sum of the block's integers

	one   []oneBlocks // [blocks/4] of a single vector, where a kernel wants it
	few   []fewBlocks // [blocks/4][n] of each part: the same in another order, for a few vectors; else empty
	lanes []uint32    // [blocks][n]: see setLanes; empty where no kernel wants it
}

// groupRoom is how many vectors there is memory for behind the first one, so that kernels
// that take a group may read one where there are fewer.
const groupRoom = 8

// oneBlocks are 4 blocks of a single vector, in the order in which a kernel needs them.
type oneBlocks struct {
	even, odd [4 * halfBlock]int8
	half      [4 * vecStep]float32 // half of each block's scale, vecStep times
	corr      [4 * vecStep]int32   // of each block's integers at 4i to 4i+3 of both halves: -12 times their sum
}

// Assembly alone writes and reads them, and finds its parts there.
var (
	_ [0]byte   = [unsafe.Offsetof(oneBlocks{}.even)]byte{}
	_ [64]byte  = [unsafe.Offsetof(oneBlocks{}.odd)]byte{}
	_ [128]byte = [unsafe.Offsetof(oneBlocks{}.half)]byte{}
	_ [192]byte = [unsafe.Offsetof(oneBlocks{}.corr)]byte{}
)

// vecStep is the step of a Vec: a copy for each of the partial sums of a block.
const vecStep = 4

// Reset makes b a batch of n vectors of cols elements, whose contents are
// undefined until Set. The memory of b is reused.
func (b *Batch) Reset(n, cols int, act Act) { b.reset(n, cols, act, n) }

func (b *Batch) reset(n, cols int, act Act, step int) {
	b.n, b.cols, b.act = n, cols, act
	if act == Int8 {
		nb := paddedBlocks(cols)
		b.ints.n, b.ints.step, b.ints.blocks = n, step, nb
		room := max(groupRoom-n, 0)
		b.ints.q = resize(b.ints.q, (n+room)*nb*blockLen)[:n*nb*blockLen]
		b.ints.scale = resize(b.ints.scale, nb*step+room)[:nb*step]
		b.ints.corr = resize(b.ints.corr, nb*step+room)[:nb*step]
		b.ints.resetFew()
		b.ints.resetLanes()
		return
	}
	b.floats = resize(b.floats, n*padded(cols))
}

// Len is the number of vectors.
func (b *Batch) Len() int { return b.n }

// Set prepares x as vector i. Different vectors may be set concurrently.
func (b *Batch) Set(i int, x []float32) {
	if len(x) != b.cols || i < 0 || i >= b.n {
		panic(fmt.Sprintf("kernel: vector %d of %d elements set in a batch of %d of %d", i, len(x), b.n, b.cols))
	}
	if b.act == Int8 {
		active.quantize(&b.ints, i, x)
		b.ints.setFew(i)
		b.ints.setLanes(i)
		return
	}
	active.split(b.floats[i*padded(b.cols):][:padded(b.cols)], x, b.act == BF16Act)
}

// Gather makes b the batch of src's vectors at the given indices, in that order.
func (b *Batch) Gather(src *Batch, indices []int) {
	b.Reset(len(indices), src.cols, src.act)
	for to, from := range indices {
		b.copyVector(to, src, from)
	}
}

// copyVector sets vector to of b to vector from of src.
func (b *Batch) copyVector(to int, src *Batch, from int) {
	if src.act != Int8 {
		p := padded(src.cols)
		copy(b.floats[to*p:][:p], src.floats[from*p:])
		return
	}
	in, out := &src.ints, &b.ints
	copy(out.vector(to), in.vector(from))
	for k := range in.blocks {
		out.scale[k*out.step+to] = in.scale[k*in.step+from]
		out.corr[k*out.step+to] = in.corr[k*in.step+from]
	}
	out.setFew(to)
	out.setLanes(to)
}

// vector returns the integers of vector i.
func (r *int8Rows) vector(i int) []int8 {
	n := r.blocks * blockLen
	return r.q[i*n : (i+1)*n]
}

// resetLanes makes room for what kernels for many vectors want to know of each block.
func (r *int8Rows) resetLanes() {
	r.lanes = r.lanes[:0]
	if active.wantsLanes && r.n > maxFew {
		r.lanes = resize(r.lanes, r.blocks*r.n)
	}
}

// setLanes gives each block of vector i, in two halves of 32 bits, -12 times the sum of
// those of its integers that stand first and second in a group of four, and -12 times
// the sum of the others.
func (r *int8Rows) setLanes(i int) {
	if len(r.lanes) == 0 {
		return
	}
	q := r.vector(i)
	for b := range r.blocks {
		var low, high int32
		for k := b * blockLen; k < (b+1)*blockLen; k += 4 {
			g := (*[4]int8)(q[k:])
			low += int32(g[0]) + int32(g[1])
			high += int32(g[2]) + int32(g[3])
		}
		r.lanes[b*r.n+i] = uint32(uint16(-fp4Most*low)) | uint32(-fp4Most*high)<<16
	}
}

// splitBlock sets dst to the even, then the odd elements of the first 32 of x,
// zeros standing for those that are missing.
func splitBlock(dst, x []float32) {
	if len(x) >= blockLen {
		for j := range halfBlock {
			dst[j], dst[halfBlock+j] = x[2*j], x[2*j+1]
		}
		return
	}
	clear(dst[:blockLen])
	for j, f := range x {
		dst[j%2*halfBlock+j/2] = f
	}
}

// padded is n rounded up to whole blocks.
func padded(n int) int { return (n + blockLen - 1) / blockLen * blockLen }

// paddedBlocks is the number of blocks of n columns, rounded up to a multiple of 4.
func paddedBlocks(n int) int { return (padded(n)/blockLen + 3) / 4 * 4 }

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// roundBF16 rounds to the nearest bfloat16, ties to even.
func roundBF16(f float32) float32 { return fromBF16(toBF16(f)) }

func fromBF16(u uint16) float32 { return math.Float32frombits(uint32(u) << 16) }

func toBF16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40 // stays a NaN when the low bits go
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
