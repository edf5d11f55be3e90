#include "textflag.h"

// MXFP4 by the integers of one vector, and of a few: 4 rows and 2 blocks at a time.
//
// A weight is taken as its doubled value plus 16, 4 to 28: the unsigned operand of
// VPMADDUBSW, small enough for 16-bit sums of eight products. What the 16s add is
// an eighth of what int8Rows.corr takes off, which is for 128.

// The 16 values of a 4-bit float, doubled, plus 16.
DATA fp4Offset16<>+0(SB)/8, $0x1c18161413121110
DATA fp4Offset16<>+8(SB)/8, $0x04080a0c0d0e0f10
GLOBL fp4Offset16<>(SB), RODATA|NOPTR, $16

DATA lowNibbles<>+0(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA lowNibbles<>+8(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA lowNibbles<>+16(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA lowNibbles<>+24(SB)/8, $0x0f0f0f0f0f0f0f0f
GLOBL lowNibbles<>(SB), RODATA|NOPTR, $32

// 2^-127, which scale 0 stands for, and 0.5.
DATA leastScale<>+0(SB)/8, $0x0040000000400000
DATA leastScale<>+8(SB)/8, $0x0040000000400000
DATA leastScale<>+16(SB)/8, $0x0040000000400000
DATA leastScale<>+24(SB)/8, $0x0040000000400000
GLOBL leastScale<>(SB), RODATA|NOPTR, $32
DATA half<>+0(SB)/8, $0x3f0000003f000000
DATA half<>+8(SB)/8, $0x3f0000003f000000
DATA half<>+16(SB)/8, $0x3f0000003f000000
DATA half<>+24(SB)/8, $0x3f0000003f000000
GLOBL half<>(SB), RODATA|NOPTR, $32

// Take the bytes [4 rows][4 blocks], there twice, to the top bytes of the 32-bit lanes
// [2 blocks][4 rows].
DATA lanes01<>+0(SB)/8, $0x0480808000808080
DATA lanes01<>+8(SB)/8, $0x0c80808008808080
DATA lanes01<>+16(SB)/8, $0x0580808001808080
DATA lanes01<>+24(SB)/8, $0x0d80808009808080
GLOBL lanes01<>(SB), RODATA|NOPTR, $32
DATA lanes23<>+0(SB)/8, $0x0680808002808080
DATA lanes23<>+8(SB)/8, $0x0e8080800a808080
DATA lanes23<>+16(SB)/8, $0x0780808003808080
DATA lanes23<>+24(SB)/8, $0x0f8080800b808080
GLOBL lanes23<>(SB), RODATA|NOPTR, $32

// Loads of 2 blocks, and of one, beside which are zeros.
#define WHOLE(w, x, y) VMOVDQU w, y
#define PART(w, x, y) VMOVDQU w, x

// One row's blocks at w: the 16-bit sums of each 4 products to y, whose lower half is x.
// Y8 and Y9 have the even and odd activations.
#define ROW(LOAD, w, x, y) \
	LOAD(w, x, y)              \
	VPSRLW     $4, y, Y6       \
	VPAND      Y14, y, y       \
	VPAND      Y14, Y6, Y6     \
	VPSHUFB    y, Y15, y       \
	VPSHUFB    Y6, Y15, Y6     \
	VPMADDUBSW Y8, y, y        \
	VPMADDUBSW Y9, Y6, Y6      \
	VPADDW     Y6, y, y

// The sums of 4 rows, a to d, added up within blocks: 32-bit lanes [2 blocks][4 rows] in
// a. t and u are lost; ones has 16-bit ones.
#define SUM(a, b, c, d, t, u, ones) \
	VPUNPCKLDQ  b, a, t        \
	VPUNPCKHDQ  b, a, u        \
	VPADDW      u, t, a        \
	VPUNPCKLDQ  d, c, t        \
	VPUNPCKHDQ  d, c, u        \
	VPADDW      u, t, c        \
	VPMADDWD    ones, a, a     \
	VPMADDWD    ones, c, c     \
	VPUNPCKLQDQ c, a, t        \
	VPUNPCKHQDQ c, a, u        \
	VPADDD      u, t, a

// 2 blocks of 4 rows, off/16 blocks on from where the registers point, added to acc. Y12
// has their scales, for which lanes is.
#define PAIR(LOAD, off, lanes, acc) \
	VMOVDQU     off*2(DX), X8                \
	VMOVDQU     off*2+16(DX), X9             \
	VINSERTI128 $1, off*2+32(DX), Y8, Y8     \
	VINSERTI128 $1, off*2+48(DX), Y9, Y9     \
	ROW(LOAD, off(SI), X0, Y0)               \
	ROW(LOAD, off(SI)(R8*1), X1, Y1)         \
	ROW(LOAD, off(SI)(R8*2), X2, Y2)         \
	ROW(LOAD, off(SI)(R9*1), X3, Y3)         \
	VMOVDQU     off(R12), Y5                 \
	VMOVUPS     half<>(SB), Y7               \
	VPSRAD      $3, Y5, Y5                   \
	VPSHUFB     lanes<>(SB), Y12, Y4         \
	VPSRLD      $1, Y4, Y4                   \
	VPMAXUD     leastScale<>(SB), Y4, Y4     \
	VMULPS      off(BX), Y7, Y7              \
	VMULPS      Y7, Y4, Y4                   \
	SUM(Y0, Y1, Y2, Y3, Y6, Y7, Y13)         \
	VPADDD      Y5, Y0, Y0                   \
	VCVTDQ2PS   Y0, Y0                       \
	VFMADD231PS Y4, Y0, acc

// The scales of 4, 2 or 1 blocks to Y12.
#define SCALES4 \
	VMOVD       (DI), X12                    \
	VPINSRD     $1, (DI)(R10*1), X12, X12    \
	VPINSRD     $2, (DI)(R10*2), X12, X12    \
	VPINSRD     $3, (DI)(R11*1), X12, X12    \
	VINSERTI128 $1, X12, Y12, Y12
#define SCALES2 \
	VPXOR       X12, X12, X12                \
	VPINSRW     $0, (DI), X12, X12           \
	VPINSRW     $2, (DI)(R10*1), X12, X12    \
	VPINSRW     $4, (DI)(R10*2), X12, X12    \
	VPINSRW     $6, (DI)(R11*1), X12, X12    \
	VINSERTI128 $1, X12, Y12, Y12
#define SCALES1 \
	VPXOR       X12, X12, X12                \
	VPINSRB     $0, (DI), X12, X12           \
	VPINSRB     $4, (DI)(R10*1), X12, X12    \
	VPINSRB     $8, (DI)(R10*2), X12, X12    \
	VPINSRB     $12, (DI)(R11*1), X12, X12   \
	VINSERTI128 $1, X12, Y12, Y12

// func mxfp4Int8AVX2(dst *float32, w, s *byte, rowStep, nb, groups int, q *int8, scale *float32, corr *int32)
// groups times four rows, rowStep blocks apart, of nb blocks each, times one vector. A
// round of the loop is 4 blocks of each row: 142 instructions, 8.9 a block. Y10 has
// the accumulators of blocks 0 and 1 of 4, Y11 those of blocks 2 and 3, in lanes
// [2 blocks][4 rows]; Y15 the table, Y14 the mask of nibbles, Y13 ones.
TEXT ·mxfp4Int8AVX2(SB), NOSPLIT, $0-72
	MOVQ rowStep+24(FP), R10
	LEAQ (R10)(R10*2), R11 // scales of row 3
	MOVQ R10, R8
	SHLQ $4, R8            // bytes of a row
	LEAQ (R8)(R8*2), R9

	VBROADCASTI128 fp4Offset16<>(SB), Y15
	VMOVDQU        lowNibbles<>(SB), Y14
	VPCMPEQW       Y13, Y13, Y13
	VPSRLW         $15, Y13, Y13

rows:
	MOVQ  w+8(FP), SI
	MOVQ  s+16(FP), DI
	MOVQ  nb+32(FP), CX
	MOVQ  q+48(FP), DX
	MOVQ  scale+56(FP), BX
	MOVQ  corr+64(FP), R12
	LEAQ  (SI)(R8*4), R13 // the next four rows
	MOVQ  R13, w+8(FP)
	VPXOR Y10, Y10, Y10
	VPXOR Y11, Y11, Y11

loop:
	// Into the second-level cache: the first one keeps track of few lines at a time, and
	// reading memory through it is half as fast.
	SUBQ       $4, CX
	JL         part
	PREFETCHT1 (R13)
	PREFETCHT1 (R13)(R8*1)
	PREFETCHT1 (R13)(R8*2)
	PREFETCHT1 (R13)(R9*1)
	SCALES4
	PAIR(WHOLE, 0, lanes01, Y10)
	PAIR(WHOLE, 32, lanes23, Y11)
	ADDQ       $64, SI
	ADDQ       $64, R13
	ADDQ       $4, DI
	SUBQ       $-128, DX
	ADDQ       $64, BX
	ADDQ       $64, R12
	JMP        loop

part:
	// 0 to 3 blocks are left.
	ADDQ    $4, CX
	JZ      done
	CMPQ    CX, $2
	JLT     last
	SCALES2
	PAIR(WHOLE, 0, lanes01, Y10)
	VMOVAPS Y10, Y4          // which are added up in the end, in either order
	VMOVAPS Y11, Y10
	VMOVAPS Y4, Y11
	ADDQ    $32, SI
	ADDQ    $2, DI
	ADDQ    $64, DX
	ADDQ    $32, BX
	ADDQ    $32, R12
	SUBQ    $2, CX
	JZ      done

last:
	SCALES1
	PAIR(PART, 0, lanes01, Y10)

done:
	VADDPS       Y11, Y10, Y10
	VEXTRACTF128 $1, Y10, X1
	VADDPS       X1, X10, X0
	VXORPS       X1, X1, X1
	VADDPS       X1, X0, X0
	MOVQ         dst+0(FP), AX
	VMOVUPS      X0, (AX)
	ADDQ         $16, dst+0(FP)
	LEAQ         (R10*4), AX
	ADDQ         AX, s+16(FP)
	DECQ         groups+40(FP)
	JNZ          rows
	VZEROUPPER
	RET

// One row's blocks at w, unpacked: the even elements of each and the odd ones. The lower
// half of even is x; Y14 has the table, Y13 the mask.
#define UNPACK(LOAD, w, x, even, odd) \
	LOAD(w, x, even)           \
	VPSRLW  $4, even, odd      \
	VPAND   Y13, even, even    \
	VPAND   Y13, odd, odd      \
	VPSHUFB even, Y14, even    \
	VPSHUFB odd, Y14, odd

#define UNPACK4(LOAD) \
	VBROADCASTI128 fp4Offset16<>(SB), Y14     \
	VMOVDQU        lowNibbles<>(SB), Y13      \
	UNPACK(LOAD, (SI), X0, Y0, Y1)            \
	UNPACK(LOAD, (SI)(R8*1), X2, Y2, Y3)      \
	UNPACK(LOAD, (SI)(R8*2), X4, Y4, Y5)      \
	UNPACK(LOAD, (SI)(R9*1), X6, Y6, Y7)

// An unpacked row's products with a vector, whose even and odd integers are in Y9 and Y10.
#define MULTIPLY(even, odd, y, t) \
	VPMADDUBSW Y9, even, y     \
	VPMADDUBSW Y10, odd, t     \
	VPADDW     t, y, y

// func mxfp4FewAVX2(dst *float32, stride int, w, s *byte, rowStep, nb, groups int, x *fewBlocks, n int)
// groups times four rows, rowStep blocks apart, of nb blocks each, times n vectors, 2 to
// 8: 2 blocks of the rows are unpacked to Y0 to Y7, once for all vectors, and half their
// scales to Y8. Each vector then takes 36 instructions for these 8 blocks. Its accumulators
// are on the stack: those of blocks 0 and 1 of 4, then those of 2 and 3. stride is in bytes.
TEXT ·mxfp4FewAVX2(SB), 0, $576-72
	MOVQ     rowStep+32(FP), R10
	LEAQ     (R10)(R10*2), R11 // scales of row 3
	MOVQ     R10, R8
	SHLQ     $4, R8            // bytes of a row
	LEAQ     (R8)(R8*2), R9
	VPCMPEQW Y15, Y15, Y15
	VPSRLW   $15, Y15, Y15

rows:
	MOVQ  w+16(FP), SI
	MOVQ  s+24(FP), DI
	MOVQ  nb+40(FP), CX
	MOVQ  x+56(FP), DX
	LEAQ  (SI)(R8*4), R13 // the next four rows
	MOVQ  R13, w+16(FP)
	MOVQ  $32, R14        // from these blocks of x to the next ones
	LEAQ  acc-576(SP), R15
	ADDQ  $63, R15
	ANDQ  $~63, R15
	VPXOR Y0, Y0, Y0
	MOVQ  n+64(FP), AX
	SHLQ  $6, AX

clear:
	VMOVUPS Y0, -64(R15)(AX*1)
	VMOVUPS Y0, -32(R15)(AX*1)
	SUBQ    $64, AX
	JNZ     clear

loop:
	SUBQ       $2, CX
	JL         part
	PREFETCHT1 (R13)
	PREFETCHT1 (R13)(R8*1)
	PREFETCHT1 (R13)(R8*2)
	PREFETCHT1 (R13)(R9*1)
	SCALES2
	VMOVDQA    Y12, Y8
	UNPACK4(WHOLE)

vectors:
	VPSHUFB lanes01<>(SB), Y8, Y8
	VPSRLD  $1, Y8, Y8
	VPMAXUD leastScale<>(SB), Y8, Y8
	VMULPS  half<>(SB), Y8, Y8
	MOVQ    DX, R12
	MOVQ    R15, BX
	MOVQ    n+64(FP), AX

vector:
	VMOVDQU     (R12), Y9
	VMOVDQU     64(R12), Y10
	MULTIPLY(Y0, Y1, Y11, Y13)
	MULTIPLY(Y2, Y3, Y12, Y14)
	VPUNPCKLDQ  Y12, Y11, Y13
	VPUNPCKHDQ  Y12, Y11, Y14
	VPADDW      Y14, Y13, Y13
	MULTIPLY(Y4, Y5, Y11, Y14)
	MULTIPLY(Y6, Y7, Y12, Y14)
	VPUNPCKLDQ  Y12, Y11, Y14
	VPUNPCKHDQ  Y12, Y11, Y11
	VPADDW      Y14, Y11, Y11
	VPMADDWD    Y15, Y13, Y13
	VPMADDWD    Y15, Y11, Y11
	VPUNPCKLQDQ Y11, Y13, Y12
	VPUNPCKHQDQ Y11, Y13, Y14
	VMOVDQU     192(R12), Y9
	VPSRAD      $3, Y9, Y9
	VPADDD      Y14, Y12, Y12
	VPADDD      Y9, Y12, Y12
	VMULPS      128(R12), Y8, Y10
	VCVTDQ2PS   Y12, Y12
	VFMADD213PS (BX), Y10, Y12
	VMOVUPS     Y12, (BX)
	ADDQ        $256, R12
	ADDQ        $64, BX
	DECQ        AX
	JNZ         vector

	ADDQ  $32, SI
	ADDQ  $32, R13
	ADDQ  $2, DI
	XORQ  $32, R15
	ADDQ  R14, DX
	MOVQ  n+64(FP), AX
	SHLQ  $8, AX
	SUBQ  R14, AX
	MOVQ  AX, R14
	TESTQ CX, CX
	JG    loop
	JMP   done

part:
	// One block is left.
	XORQ    CX, CX
	SCALES1
	VMOVDQA Y12, Y8
	UNPACK4(PART)
	JMP     vectors

done:
	ANDQ  $~63, R15
	MOVQ  dst+0(FP), AX
	MOVQ  n+64(FP), CX
	VXORPS X2, X2, X2

sum:
	VMOVUPS      (R15), Y0
	VADDPS       32(R15), Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPS       X1, X0, X0
	VADDPS       X2, X0, X0
	VMOVUPS      X0, (AX)
	ADDQ         stride+8(FP), AX
	ADDQ         $64, R15
	DECQ         CX
	JNZ          sum
	ADDQ         $16, dst+0(FP)
	LEAQ         (R10*4), AX
	ADDQ         AX, s+24(FP)
	DECQ         groups+48(FP)
	JNZ          rows
	VZEROUPPER
	RET
