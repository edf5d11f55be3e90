#include "textflag.h"

// MXFP4 rows unpacked for batches.

// The 16 values of a 4-bit float.
DATA fp4Values<>+0(SB)/8, $0x3f00000000000000
DATA fp4Values<>+8(SB)/8, $0x3fc000003f800000
DATA fp4Values<>+16(SB)/8, $0x4040000040000000
DATA fp4Values<>+24(SB)/8, $0x40c0000040800000
DATA fp4Values<>+32(SB)/8, $0xbf00000000000000
DATA fp4Values<>+40(SB)/8, $0xbfc00000bf800000
DATA fp4Values<>+48(SB)/8, $0xc0400000c0000000
DATA fp4Values<>+56(SB)/8, $0xc0c00000c0800000
GLOBL fp4Values<>(SB), RODATA|NOPTR, $64

// func mxfp4BF16AVX512(dst, blocks, scales *byte, nb int, table *[256]float32)
// Unpacks nb blocks to bfloat16; table has the values of the scales.
TEXT ·mxfp4BF16AVX512(SB), NOSPLIT, $0-40
	MOVQ    dst+0(FP), DI
	MOVQ    blocks+8(FP), SI
	MOVQ    scales+16(FP), DX
	MOVQ    nb+24(FP), CX
	MOVQ    table+32(FP), BX
	VMOVUPS fp4Values<>(SB), Z31

loop:
	MOVBLZX     (DX), AX
	VMULPS.BCST (BX)(AX*4), Z31, Z0 // the 16 values under this scale
	VPMOVZXBD   (SI), Z1
	VPSRLD      $4, Z1, Z2
	VPERMPS     Z0, Z1, Z1          // looks at 4 bits of an index
	VPERMPS     Z0, Z2, Z2
	VPSRLD      $16, Z1, Z1
	VPORD       Z1, Z2, Z2
	VMOVDQU64   Z2, (DI)
	ADDQ        $64, DI
	ADDQ        $16, SI
	INCQ        DX
	DECQ        CX
	JNZ         loop
	VZEROUPPER
	RET

// One row's 32 columns: even and odd ones to the sums e and o. Z8 and Z9 have
// the even and odd activations.
#define ROW(w, s, e, o) \
	MOVBLZX     s, AX                   \
	VMULPS.BCST (BX)(AX*4), Z31, Z10    \
	VPMOVZXBD   w, Z11                  \
	VPSRLD      $4, Z11, Z12            \
	VPERMPS     Z10, Z11, Z11           \
	VPERMPS     Z10, Z12, Z12           \
	VFMADD231PS Z8, Z11, e              \
	VFMADD231PS Z9, Z12, o

#define FOLD(e, o, y) \
	VADDPS        o, e, e      \
	VEXTRACTF64X4 $1, e, Y31   \
	VADDPS        Y31, y, y    \
	VEXTRACTF32X4 $1, y, X31   \
	VADDPS        Y31, y, y

// func mxfp4FloatAVX512(dst *[4]float32, w, s *byte, rowStep, nb int, x *float32, table *[256]float32)
// Four rows, rowStep blocks apart, of nb blocks each, times one vector.
TEXT ·mxfp4FloatAVX512(SB), NOSPLIT, $0-56
	MOVQ    w+8(FP), SI
	MOVQ    s+16(FP), DI
	MOVQ    rowStep+24(FP), R10
	MOVQ    nb+32(FP), CX
	MOVQ    x+40(FP), DX
	MOVQ    table+48(FP), BX
	LEAQ    (R10)(R10*2), R11
	MOVQ    R10, R8
	SHLQ    $4, R8
	LEAQ    (R8)(R8*2), R9
	LEAQ    (SI)(R8*4), R13
	VMOVUPS fp4Values<>(SB), Z31
	VPXORD  Z0, Z0, Z0
	VPXORD  Z1, Z1, Z1
	VPXORD  Z2, Z2, Z2
	VPXORD  Z3, Z3, Z3
	VPXORD  Z4, Z4, Z4
	VPXORD  Z5, Z5, Z5
	VPXORD  Z6, Z6, Z6
	VPXORD  Z7, Z7, Z7

loop:
	PREFETCHT0 (R13)
	PREFETCHT0 (R13)(R8*1)
	PREFETCHT0 (R13)(R8*2)
	PREFETCHT0 (R13)(R9*1)
	VMOVUPS    (DX), Z8
	VMOVUPS    64(DX), Z9
	ROW((SI), (DI), Z0, Z1)
	ROW((SI)(R8*1), (DI)(R10*1), Z2, Z3)
	ROW((SI)(R8*2), (DI)(R10*2), Z4, Z5)
	ROW((SI)(R9*1), (DI)(R11*1), Z6, Z7)
	ADDQ       $16, SI
	ADDQ       $16, R13
	INCQ       DI
	SUBQ       $-128, DX
	DECQ       CX
	JNZ        loop

	FOLD(Z0, Z1, Y0)
	FOLD(Z2, Z3, Y2)
	FOLD(Z4, Z5, Y4)
	FOLD(Z6, Z7, Y6)
	VUNPCKLPS X2, X0, X1
	VUNPCKHPS X2, X0, X3
	VUNPCKLPS X6, X4, X5
	VUNPCKHPS X6, X4, X7
	VADDPS    X3, X1, X1
	VADDPS    X7, X5, X5
	VUNPCKLPD X5, X1, X0
	VUNPCKHPD X5, X1, X2
	VADDPS    X2, X0, X0
	VXORPS    X1, X1, X1
	VADDPS    X1, X0, X0
	MOVQ      dst+0(FP), AX
	VMOVUPS   X0, (AX)
	VZEROUPPER
	RET
