#include "textflag.h"

// The 16 values of a 4-bit float, doubled, plus 128: the unsigned operand of
// VPDPBUSD. VPERMB looks at 6 bits of an index, so the table is there 4 times
// and the upper nibble needs no masking.
DATA fp4Offset<>+0(SB)/8, $0x8c88868483828180
DATA fp4Offset<>+8(SB)/8, $0x74787a7c7d7e7f80
DATA fp4Offset<>+16(SB)/8, $0x8c88868483828180
DATA fp4Offset<>+24(SB)/8, $0x74787a7c7d7e7f80
DATA fp4Offset<>+32(SB)/8, $0x8c88868483828180
DATA fp4Offset<>+40(SB)/8, $0x74787a7c7d7e7f80
DATA fp4Offset<>+48(SB)/8, $0x8c88868483828180
DATA fp4Offset<>+56(SB)/8, $0x74787a7c7d7e7f80
GLOBL fp4Offset<>(SB), RODATA|NOPTR, $64

// 0 0 0 0 1 1 1 1 2 2 2 2 3 3 3 3
DATA quadruple<>+0(SB)/8, $0x0000000000000000
DATA quadruple<>+8(SB)/8, $0x0000000000000000
DATA quadruple<>+16(SB)/8, $0x0000000100000001
DATA quadruple<>+24(SB)/8, $0x0000000100000001
DATA quadruple<>+32(SB)/8, $0x0000000200000002
DATA quadruple<>+40(SB)/8, $0x0000000200000002
DATA quadruple<>+48(SB)/8, $0x0000000300000003
DATA quadruple<>+56(SB)/8, $0x0000000300000003
GLOBL quadruple<>(SB), RODATA|NOPTR, $64

// Takes the bytes [4 rows][4 blocks] to the top bytes of the 32-bit lanes
// [4 blocks][4 rows].
DATA scaleLanes<>+0(SB)/8, $0x0400000000000000
DATA scaleLanes<>+8(SB)/8, $0x0c00000008000000
DATA scaleLanes<>+16(SB)/8, $0x0500000001000000
DATA scaleLanes<>+24(SB)/8, $0x0d00000009000000
DATA scaleLanes<>+32(SB)/8, $0x0600000002000000
DATA scaleLanes<>+40(SB)/8, $0x0e0000000a000000
DATA scaleLanes<>+48(SB)/8, $0x0700000003000000
DATA scaleLanes<>+56(SB)/8, $0x0f0000000b000000
GLOBL scaleLanes<>(SB), RODATA|NOPTR, $64

// One row's 4 blocks at w: the 4 partial sums of each block to acc.
// Z8 and Z9 have the even and odd activations.
#define ROW(w, acc, t) \
	VMOVDQU32.Z w, K1, acc     \
	VPSRLW      $4, acc, t     \
	VPERMB      Z31, acc, Z10  \
	VPERMB      Z31, t, t      \
	VPXORD      acc, acc, acc  \
	VPDPBUSD    Z8, Z10, acc   \
	VPDPBUSD    Z9, t, acc

// func mxfp4Int8AVX512(dst *[4]float32, w, s *byte, rowStep, nb int, q *int8, scale *float32, corr *int32)
// Four rows, rowStep blocks apart, of nb blocks each, times one vector.
TEXT ·mxfp4Int8AVX512(SB), NOSPLIT, $0-64
	MOVQ w+8(FP), SI
	MOVQ s+16(FP), DI
	MOVQ rowStep+24(FP), R10
	MOVQ nb+32(FP), CX
	MOVQ q+40(FP), DX
	MOVQ scale+48(FP), BX
	MOVQ corr+56(FP), R12

	LEAQ (R10)(R10*2), R11 // scales of row 3
	MOVQ R10, R8
	SHLQ $4, R8            // bytes of a row
	LEAQ (R8)(R8*2), R9
	LEAQ (SI)(R8*4), R13   // the next four rows

	VMOVDQU64    fp4Offset<>(SB), Z31
	VMOVDQU64    scaleLanes<>(SB), Z30
	VMOVDQU64    quadruple<>(SB), Z29
	MOVL         $0x00400000, AX         // 2^-127, which scale 0 stands for
	VPBROADCASTD AX, Z28
	MOVL         $0x3f000000, AX         // 0.5
	VPBROADCASTD AX, Z27
	MOVQ         $0x8888888888888888, AX
	KMOVQ        AX, K3
	MOVL         $0xffff, AX
	KMOVW        AX, K1
	MOVL         $0xf, AX
	KMOVW        AX, K2
	VPXORD       Z20, Z20, Z20

loop:
	CMPQ CX, $4
	JGE  full

	// 1 to 3 blocks are left: mask what is beyond.
	MOVL  $1, AX
	SHLL  CX, AX
	DECL  AX
	KMOVW AX, K2
	SHLL  $2, CX
	MOVL  $1, AX
	SHLL  CX, AX
	DECL  AX
	KMOVW AX, K1
	MOVQ  $4, CX

full:
	PREFETCHT0 (R13)
	PREFETCHT0 (R13)(R8*1)
	PREFETCHT0 (R13)(R8*2)
	PREFETCHT0 (R13)(R9*1)
	VMOVDQU64  (DX), Z10
	VMOVDQU64  64(DX), Z11
	VSHUFI32X4 $0x88, Z11, Z10, Z8
	VSHUFI32X4 $0xdd, Z11, Z10, Z9
	ROW((SI), Z0, Z4)
	ROW((SI)(R8*1), Z1, Z5)
	ROW((SI)(R8*2), Z2, Z6)
	ROW((SI)(R9*1), Z3, Z7)

	// Add up within blocks: lanes [4 blocks][4 rows].
	VPUNPCKLDQ  Z1, Z0, Z4
	VPUNPCKHDQ  Z1, Z0, Z5
	VPUNPCKLDQ  Z3, Z2, Z6
	VPUNPCKHDQ  Z3, Z2, Z7
	VPADDD      Z5, Z4, Z4
	VPADDD      Z7, Z6, Z6
	VPUNPCKLQDQ Z6, Z4, Z5
	VPUNPCKHQDQ Z6, Z4, Z7
	VPADDD      Z7, Z5, Z4
	VMOVDQU     (R12), X5
	VPERMD      Z5, Z29, Z5
	VPADDD      Z5, Z4, Z4
	VCVTDQ2PS   Z4, Z4

	// The products of the scales, in the same lanes.
	VMOVDQU8.Z  (DI), K2, X12
	VMOVDQU8.Z  (DI)(R10*1), K2, X13
	VMOVDQU8.Z  (DI)(R10*2), K2, X14
	VMOVDQU8.Z  (DI)(R11*1), K2, X15
	VPUNPCKLDQ  X13, X12, X12
	VPUNPCKLDQ  X15, X14, X14
	VPUNPCKLQDQ X14, X12, X12
	VPERMB.Z    Z12, Z30, K3, Z12
	VPSRLD      $1, Z12, Z12
	VPMAXUD     Z28, Z12, Z12
	VMOVUPS     (BX), X13
	VPERMPS     Z13, Z29, Z13
	VMULPS      Z27, Z13, Z13
	VMULPS      Z13, Z12, Z12
	VFMADD231PS Z12, Z4, Z20

	ADDQ $64, SI
	ADDQ $64, R13
	ADDQ $4, DI
	SUBQ $-128, DX
	ADDQ $16, BX
	ADDQ $16, R12
	SUBQ $4, CX
	JNZ  loop

	VEXTRACTF64X4 $1, Z20, Y0
	VADDPS        Y0, Y20, Y0
	VEXTRACTF128  $1, Y0, X1
	VADDPS        X1, X0, X0
	VXORPS        X1, X1, X1
	VADDPS        X1, X0, X0
	MOVQ          dst+0(FP), AX
	VMOVUPS       X0, (AX)
	VZEROUPPER
	RET
