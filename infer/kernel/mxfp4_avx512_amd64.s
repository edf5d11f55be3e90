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

// Takes the first 4 of the bytes [4 rows][16 blocks] to the top bytes of the
// 32-bit lanes [4 blocks][4 rows].
DATA scaleLanes<>+0(SB)/8, $0x1000000000000000
DATA scaleLanes<>+8(SB)/8, $0x3000000020000000
DATA scaleLanes<>+16(SB)/8, $0x1100000001000000
DATA scaleLanes<>+24(SB)/8, $0x3100000021000000
DATA scaleLanes<>+32(SB)/8, $0x1200000002000000
DATA scaleLanes<>+40(SB)/8, $0x3200000022000000
DATA scaleLanes<>+48(SB)/8, $0x1300000003000000
DATA scaleLanes<>+56(SB)/8, $0x3300000023000000
GLOBL scaleLanes<>(SB), RODATA|NOPTR, $64

// Loads of 4 blocks, and of those of which K1 has the dwords.
#define WHOLE(w, z) VMOVDQU64 w, z
#define PART(w, z) VMOVDQU32.Z w, K1, z

// One row's 4 blocks at w: the 4 partial sums of each block to acc.
// Z8 and Z9 have the even and odd activations.
#define ROW(LOAD, w, acc) \
	LOAD(w, Z10)               \
	VPSRLW      $4, Z10, Z11   \
	VPERMB      Z31, Z10, Z10  \
	VPERMB      Z31, Z11, Z11  \
	VPXORD      acc, acc, acc  \
	VPDPBUSD    Z8, Z10, acc   \
	VPDPBUSD    Z9, Z11, acc

// 4 blocks of 4 rows to the sums in Z20, whose lanes are [4 blocks][4 rows].
#define FOURROWS(LOAD) \
	VMOVDQU64   (DX), Z10              \
	VMOVDQU64   64(DX), Z11            \
	VSHUFI32X4  $0x88, Z11, Z10, Z8    \
	VSHUFI32X4  $0xdd, Z11, Z10, Z9    \
	ROW(LOAD, (SI), Z0)                \
	ROW(LOAD, (SI)(R8*1), Z1)          \
	ROW(LOAD, (SI)(R8*2), Z2)          \
	ROW(LOAD, (SI)(R9*1), Z3)          \
	\ // Add up within blocks.
	VPUNPCKLDQ  Z1, Z0, Z4             \
	VPUNPCKHDQ  Z1, Z0, Z5             \
	VPUNPCKLDQ  Z3, Z2, Z6             \
	VPUNPCKHDQ  Z3, Z2, Z7             \
	VPADDD      Z5, Z4, Z4             \
	VPADDD      Z7, Z6, Z6             \
	VPUNPCKLQDQ Z6, Z4, Z5             \
	VPUNPCKHQDQ Z6, Z4, Z7             \
	VPADDD      (R12), Z5, Z5          \ // take off what the 128s added
	VPADDD      Z7, Z5, Z4             \
	VCVTDQ2PS   Z4, Z4                 \
	\ // Half the scales of the blocks, and their products with those of x.
	VPERMB.Z    Z16, Z30, K3, Z12      \
	VPADDD      Z26, Z30, Z30          \
	VPSRLD      $1, Z12, Z12           \
	VPMAXUD     Z28, Z12, Z12          \
	VMULPS      Z27, Z12, Z12          \
	VMULPS      (BX), Z12, Z12         \
	VFMADD231PS Z12, Z4, Z20

// func mxfp4Int8AVX512(dst *float32, w, s *byte, rowStep, nb, groups int, q *int8, scale *float32, corr *int32)
// groups times four rows, rowStep blocks apart, of nb blocks each, times one
// vector.
TEXT ·mxfp4Int8AVX512(SB), NOSPLIT, $0-72
	MOVQ rowStep+24(FP), R10
	LEAQ (R10)(R10*2), R11 // scales of row 3
	MOVQ R10, R8
	SHLQ $4, R8            // bytes of a row
	LEAQ (R8)(R8*2), R9

	VMOVDQU64    fp4Offset<>(SB), Z31
	MOVL         $0x00400000, AX         // 2^-127, which scale 0 stands for
	VPBROADCASTD AX, Z28
	MOVL         $0x3f000000, AX         // 0.5
	VPBROADCASTD AX, Z27
	MOVL         $0x04000000, AX         // 4 blocks on in scaleLanes
	VPBROADCASTD AX, Z26
	MOVL         $0x7f7f7f7f, AX         // 1, four times
	VPBROADCASTD AX, Z25
	MOVQ         $0x8888888888888888, AX
	KMOVQ        AX, K3

rows:
	MOVQ   w+8(FP), SI
	MOVQ   s+16(FP), DI
	MOVQ   nb+32(FP), CX
	MOVQ   q+48(FP), DX
	MOVQ   scale+56(FP), BX
	MOVQ   corr+64(FP), R12
	LEAQ   (SI)(R8*4), R13 // the next four rows
	MOVQ   R13, w+8(FP)
	MOVL   $0xffff, AX
	KMOVW  AX, K2
	VPXORD Z20, Z20, Z20

scales:
	// The scales of up to 16 blocks.
	CMPQ        CX, $16
	JGE         allScales
	MOVL        $1, AX
	SHLL        CX, AX
	DECL        AX
	KMOVW       AX, K2

allScales:
	// What is beyond gets an ordinary scale: a small one would be slow to multiply.
	VMOVDQA64    X25, X16
	VMOVDQA64    X25, X17
	VMOVDQA64    X25, X18
	VMOVDQA64    X25, X19
	VMOVDQU8     (DI), K2, X16
	VMOVDQU8     (DI)(R10*1), K2, X17
	VMOVDQU8     (DI)(R10*2), K2, X18
	VMOVDQU8     (DI)(R11*1), K2, X19
	VINSERTI32X4 $1, X17, Z16, Z16
	VINSERTI32X4 $2, X18, Z16, Z16
	VINSERTI32X4 $3, X19, Z16, Z16
	VMOVDQU64    scaleLanes<>(SB), Z30
	ADDQ        $16, DI
	MOVQ        $4, R14

loop:
	SUBQ       $4, CX
	JL         part
	PREFETCHT1 (R13)
	PREFETCHT1 (R13)(R8*1)
	PREFETCHT1 (R13)(R8*2)
	PREFETCHT1 (R13)(R9*1)
	FOURROWS(WHOLE)
	ADDQ       $64, SI
	ADDQ       $64, R13
	SUBQ       $-128, DX
	ADDQ       $64, BX
	ADDQ       $64, R12
	DECQ       R14
	JNZ        loop
	JMP        scales

part:
	// 0 to 3 blocks are left.
	ADDQ  $4, CX
	JZ    done
	SHLL  $2, CX
	MOVL  $1, AX
	SHLL  CX, AX
	DECL  AX
	KMOVW AX, K1
	FOURROWS(PART)

done:
	VEXTRACTF64X4 $1, Z20, Y0
	VADDPS        Y0, Y20, Y0
	VEXTRACTF128  $1, Y0, X1
	VADDPS        X1, X0, X0
	VXORPS        X1, X1, X1
	VADDPS        X1, X0, X0
	MOVQ          dst+0(FP), AX
	VMOVUPS       X0, (AX)
	ADDQ          $16, dst+0(FP)
	LEAQ          (R10*4), AX
	ADDQ          AX, s+16(FP)
	DECQ          groups+40(FP)
	JNZ           rows
	VZEROUPPER
	RET
