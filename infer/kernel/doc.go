// Package kernel multiplies weight matrices, read in place in their file
// formats, by activation vectors, and holds the other loops of the forward pass
// that are hot enough to matter.
//
// Every operation has a portable implementation in Go and assembly for some
// instruction sets (the tiers: generic, avx2, avx512, amx). The tier is chosen
// at start from what the processor has; EXPERTFS_KERNEL overrides the choice.
//
// # One order of operations
//
// All tiers give the same bytes, NaNs excepted (which compare as NaN and
// nothing more), for one row or many, one vector or a batch. So results depend
// neither on the machine nor on how rows are split over threads, and every tier
// is tested against the portable one for equality. The orders are:
//
// Float activations (F32, BF16Act), weights BF16 or MXFP4. A weight is made a
// float32: exactly, except that an MXFP4 weight beyond the float32 range is
// infinite. Row and vector are padded with zeros to a multiple of 32. There are
// 32 accumulators, of which number i takes the elements i, i+32, i+64, ... in
// turn, by fused multiply-add: acc[i%32] = fma(w[i], x[i], acc[i%32]). Then
// s[l] = acc[2l] + acc[2l+1] for the 16 pairs, and the upper half is added to
// the lower one until one is left: s[l]+s[l+8], s[l]+s[l+4], s[l]+s[l+2],
// s[0]+s[1]. Last, 0 is added, which makes -0 into 0.
//
// Integer activations (Int8), weights Q8 or MXFP4. Both are split in blocks of
// 32 columns: integers times one scale. An MXFP4 block is taken as 16 possible
// integers (twice the 4-bit float's value, -12..12) times half the block's
// scale. The integer dot product p[b] of block b is exact. There are 4
// accumulators, of which number b%4 takes block b:
// acc[b%4] = fma(float32(p[b]), ws[b]*xs[b], acc[b%4]), the product of the two
// scales being rounded to float32. The result is
// ((acc[0]+acc[2]) + (acc[1]+acc[3])) + 0.
//
// The other operations state their order where they are declared.
package kernel
