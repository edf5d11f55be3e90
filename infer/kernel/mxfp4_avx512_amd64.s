#include "textflag.h"

// The 16 values of a 4-bit float, doubled, plus 12: the unsigned operand of
// VPDPBUSD. VPERMB looks at 6 bits of an index, so the table is there 4 times
// and the upper nibble needs no masking.
DATA fp4Offset12<>+0(SB)/8, $0x181412100f0e0d0c
DATA fp4Offset12<>+8(SB)/8, $0x00040608090a0b0c
DATA fp4Offset12<>+16(SB)/8, $0x181412100f0e0d0c
DATA fp4Offset12<>+24(SB)/8, $0x00040608090a0b0c
DATA fp4Offset12<>+32(SB)/8, $0x181412100f0e0d0c
DATA fp4Offset12<>+40(SB)/8, $0x00040608090a0b0c
DATA fp4Offset12<>+48(SB)/8, $0x181412100f0e0d0c
DATA fp4Offset12<>+56(SB)/8, $0x00040608090a0b0c
GLOBL fp4Offset12<>(SB), RODATA|NOPTR, $64

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

// One row's 4 blocks at w: the 4 partial sums of each block to acc. Z8 and Z9 have the
// even and odd activations, Z6 what the 12s add, which is taken off at the beginning.
#define ROW(LOAD, w, acc) \
	LOAD(w, Z10)               \
	VMOVDQA64   Z6, acc        \
	VPSRLW      $4, Z10, Z11   \
	VPERMB      Z31, Z10, Z10  \
	VPERMB      Z31, Z11, Z11  \
	VPDPBUSD    Z8, Z10, acc   \
	VPDPBUSD    Z9, Z11, acc

// 4 blocks of 4 rows, off/16 blocks on from where the registers point, to the sums in
// Z20, whose lanes are [4 blocks][4 rows]. A partial sum of 8 products is at most 12192
// in magnitude, and two of them fit 16 bits, so that packing loses nothing: it takes
// half the shuffles of adding up 32-bit lanes, and shuffles are what ports lack here.
#define FOURROWS(LOAD, off, lanes) \
	VMOVDQU64   off*4(DX), Z8          \
	VMOVDQU64   off*4+64(DX), Z9       \
	VMOVDQU64   off*4+192(DX), Z6      \
	ROW(LOAD, off(SI), Z0)             \
	ROW(LOAD, off(SI)(R8*1), Z1)       \
	ROW(LOAD, off(SI)(R8*2), Z2)       \
	ROW(LOAD, off(SI)(R9*1), Z3)       \
	VPACKSSDW   Z1, Z0, Z4             \
	VPACKSSDW   Z3, Z2, Z5             \
	VPMADDWD    Z24, Z4, Z4            \
	VPMADDWD    Z24, Z5, Z5            \
	VPACKSSDW   Z5, Z4, Z4             \
	VPMADDWD    Z24, Z4, Z4            \
	VCVTDQ2PS   Z4, Z4                 \
	\ // The scales of the blocks, and their products with half of those of x.
	VPERMB.Z    Z16, lanes, K3, Z12    \
	VPSRLD      $1, Z12, Z12           \
	VPMAXUD     Z28, Z12, Z12          \
	VMULPS      off*4+128(DX), Z12, Z12 \
	VFMADD231PS Z12, Z4, Z20

// FOURROWS, if 4 blocks are left. The next four rows are asked for.
#define STAGE(off, lanes, part) \
	SUBQ       $4, CX              \
	JL         part                \
	PREFETCHT1 off(R13)            \
	PREFETCHT1 off(R13)(R8*1)      \
	PREFETCHT1 off(R13)(R8*2)      \
	PREFETCHT1 off(R13)(R9*1)      \
	FOURROWS(WHOLE, off, lanes)

// func mxfp4Int8AVX512(dst *float32, w, s *byte, rowStep, nb, groups int, x *oneBlocks)
// groups times four rows, rowStep blocks apart, of nb blocks each, times one
// vector.
TEXT ·mxfp4Int8AVX512(SB), NOSPLIT, $0-56
	MOVQ rowStep+24(FP), R10
	LEAQ (R10)(R10*2), R11 // scales of row 3
	MOVQ R10, R8
	SHLQ $4, R8            // bytes of a row
	LEAQ (R8)(R8*2), R9

	VMOVDQU64    fp4Offset12<>(SB), Z31
	MOVL         $0x00400000, AX         // 2^-127, which scale 0 stands for
	VPBROADCASTD AX, Z28
	MOVL         $0x00010001, AX         // ones of 16 bits
	VPBROADCASTD AX, Z24
	MOVL         $0x7f7f7f7f, AX         // 1, four times
	VPBROADCASTD AX, Z25
	MOVQ         $0x8888888888888888, AX
	KMOVQ        AX, K3
	MOVL         $0x00f0, AX             // the scales of rows 1, 2 and 3
	KMOVW        AX, K4
	MOVL         $0x0f00, AX
	KMOVW        AX, K5
	MOVL         $0xf000, AX
	KMOVW        AX, K6
	MOVL         $0x04000000, AX         // 4 blocks on in scaleLanes
	VPBROADCASTD AX, Z26
	VMOVDQU64    scaleLanes<>(SB), Z13
	VPADDD       Z26, Z13, Z14
	VPADDD       Z26, Z14, Z15
	VPADDD       Z26, Z15, Z23

rows:
	MOVQ   w+8(FP), SI
	MOVQ   s+16(FP), DI
	MOVQ   nb+32(FP), CX
	MOVQ   x+48(FP), DX
	LEAQ   (SI)(R8*4), R13 // the next four rows
	MOVQ   R13, w+8(FP)
	VPXORD Z20, Z20, Z20

loop:
	// The scales of up to 16 blocks.
	CMPQ            CX, $16
	JLT             fewScales
	VBROADCASTI32X4 (DI), Z16
	VBROADCASTI32X4 (DI)(R10*1), K4, Z16
	VBROADCASTI32X4 (DI)(R10*2), K5, Z16
	VBROADCASTI32X4 (DI)(R11*1), K6, Z16

stages:
	STAGE(0, Z13, part0)
	STAGE(64, Z14, part1)
	STAGE(128, Z15, part2)
	STAGE(192, Z23, part3)
	ADDQ $16, DI
	ADDQ $256, SI
	ADDQ $256, R13
	ADDQ $1024, DX
	JMP  loop

fewScales:
	// What is beyond gets an ordinary scale: a small one would be slow to multiply.
	MOVL         $1, AX
	SHLL         CX, AX
	DECL         AX
	KMOVW        AX, K2
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
	JMP          stages

part3:
	VMOVDQA64 Z23, Z7
	ADDQ      $192, SI
	ADDQ      $768, DX
	JMP       part

part2:
	VMOVDQA64 Z15, Z7
	ADDQ      $128, SI
	ADDQ      $512, DX
	JMP       part

part1:
	VMOVDQA64 Z14, Z7
	ADDQ      $64, SI
	ADDQ      $256, DX
	JMP       part

part0:
	VMOVDQA64 Z13, Z7

part:
	// 0 to 3 blocks are left.
	ADDQ  $4, CX
	JZ    done
	SHLL  $2, CX
	MOVL  $1, AX
	SHLL  CX, AX
	DECL  AX
	KMOVW AX, K1
	FOURROWS(PART, 0, Z7)

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

// func oneAVX512(x *oneBlocks, q *int8, scale *float32, groups int)
// Prepares groups of 4 blocks of a vector, of each of which the scale is there four
// times.
TEXT ·oneAVX512(SB), NOSPLIT, $0-32
	MOVQ         x+0(FP), DI
	MOVQ         q+8(FP), SI
	MOVQ         scale+16(FP), BX
	MOVQ         groups+24(FP), CX
	MOVL         $0x0c0c0c0c, AX          // 12, four times
	VPBROADCASTD AX, Z31
	MOVL         $0x3f000000, AX          // 0.5
	VPBROADCASTD AX, Z30
	VPXORD       Z29, Z29, Z29

loop:
	VMOVDQU64  (SI), Z0
	VMOVDQU64  64(SI), Z1
	VSHUFI32X4 $0x88, Z1, Z0, Z2
	VSHUFI32X4 $0xdd, Z1, Z0, Z3
	VPXORD     Z4, Z4, Z4
	VPDPBUSD   Z2, Z31, Z4
	VPDPBUSD   Z3, Z31, Z4
	VPSUBD     Z4, Z29, Z4
	VMULPS     (BX), Z30, Z5
	VMOVDQU64  Z2, (DI)
	VMOVDQU64  Z3, 64(DI)
	VMOVUPS    Z5, 128(DI)
	VMOVDQU64  Z4, 192(DI)
	SUBQ       $-128, SI
	ADDQ       $64, BX
	ADDQ       $256, DI
	DECQ       CX
	JNZ        loop
	VZEROUPPER
	RET
