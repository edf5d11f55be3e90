// Package kernel multiplies weight matrices, read in place in their file
// formats, by activation vectors, and holds the other loops of the forward pass
// that are hot enough to matter.
//
// Every operation has a portable implementation in Go and assembly for some
// instruction sets: the isa levels generic; avx2, avx512 and amx; neon, neon-dotprod
// and neon-i8mm. The level is chosen at start from what the processor has;
// EXPERTFS_KERNEL overrides the choice. Each registers itself (isa.go), and what
// several need is in common.go, so that a new one is new files only.
//
// # One order of operations
//
// All levels give the same bytes, NaNs excepted (which compare as NaN and
// nothing more), for one row or many, one vector or a batch. So results depend
// neither on the machine nor on how rows are split over threads, and every level
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
//
// # How batches are computed
//
// A row of weights is the same work for one vector whether it comes from memory
// or from a cache, so MulVec reads weights as they are, several rows at a time,
// and asks for the next rows early: memory is the limit. MulBatch unpacks a
// panel of rows once, MXFP4 to bfloat16 or to the layout of Q8, and multiplies
// it by a few vectors at a time, as many as there are registers for. For 2 to 15
// vectors a panel does not pay: AVX2 and AVX-512 unpack MXFP4 to registers, once for all
// of them (few.go), and elsewhere vectors are multiplied one by one.
//
// # Speed
//
// One thread of two virtual processors of an AMD EPYC (Zen 4), best of many runs. MulVec in
// GB/s of weights streamed from memory (in brackets: from the second-level cache), where
// Sum64 reads 31; MulBatch in 10^9 products a second, for 64 vectors of 2880. AMX is of an
// Intel Sapphire Rapids, where Sum64 reads 16 and AVX-512 makes 172 and 205 by Int8.
//
//	                      MulVec                            MulBatch
//	              avx2          avx512       avx2  avx512   amx
//	MXFP4, Int8   22.7 (27)     23.7 (45)     117     162   258
//	Q8            29.9 (56)     28.6 (78)      57     180   310
//	BF16, F32     21.9 (57)     22.6 (73)      26      50    50
//	MXFP4, F32     7.8 (7.9)    13.8 (14.1)    14      54    54
//
// For floats AMX is AVX-512. VPDPBUSD makes 236 here, of whose ports a block takes a
// quarter more for its scales: AVX-512 is at 0.95 of what is then possible. AVX2 is held
// by its additions, which share the ports of its products.
//
// `go test -bench . ./infer/kernel` measures all this, and docs/benchmarks.md has more.
//
// The arm64 levels were tested under an emulator and have been measured on no
// processor. Instructions of the inner loop for a block of 32 weights (and one
// vector), of which those of NEON work on 16 bytes and those of AVX2 on 32:
//
//	                       avx2   neon   neon-dotprod   neon-i8mm
//	MXFP4, Int8  MulVec     8.9   13.4           12.1        12.1
//	             MulBatch   3.8    7.6            3.8         3.4
//	Q8           MulVec     7.7   10.8            4.8         4.8
//	             MulBatch   6.4    9.4            3.8         3.4
//	BF16, F32    MulVec     15     27             27          27
//	MXFP4, F32   MulVec     33     40             40          40
//
// They are those from the loop's label to its branch in
// `objdump -d --no-show-raw-insn --disassemble=expertfs/infer/kernel.NAME.abi0`
// of the program (aarch64-linux-gnu-objdump where it was built by GOARCH=arm64), over
// the blocks of a round: mxfp4Int8NEON has 214 for 4 rows of 4 blocks. Unpacking for
// a batch is not in it: 11.8 a block by mxfp4TileNEON, 9.9 by mxfp4TileAVX2.
package kernel
