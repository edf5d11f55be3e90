#include "textflag.h"

// Float activations.

// One row's 32 columns at w: even ones to the sums e, odd ones to o.
// Z8 and Z9 have the even and odd activations.
#define BF16ROW(w, e, o) \
	VMOVDQU16.Z w, K1, Z10     \
	VPSLLD      $16, Z10, Z11  \
	VPANDD      Z31, Z10, Z10  \
	VFMADD231PS Z8, Z11, e     \
	VFMADD231PS Z9, Z10, o

// Sums 16 pairs down to the lower 4 lanes of y, the lower half of e.
#define FOLD(e, o, y) \
	VADDPS        o, e, e      \
	VEXTRACTF64X4 $1, e, Y31   \
	VADDPS        Y31, y, y    \
	VEXTRACTF32X4 $1, y, X31   \
	VADDPS        Y31, y, y

// Sums four rows' four lanes each, as halves, and stores the four sums. X3 is 0.
#define FINISH(a, b, c, d, out) \
	VUNPCKLPS b, a, X1    \
	VUNPCKHPS b, a, X5    \
	VADDPS    X5, X1, X1  \
	VUNPCKLPS d, c, X5    \
	VUNPCKHPS d, c, X7    \
	VADDPS    X7, X5, X5  \
	VUNPCKLPD X5, X1, X7  \
	VUNPCKHPD X5, X1, X1  \
	VADDPS    X1, X7, X7  \
	VADDPS    X3, X7, X7  \
	VMOVUPS   X7, out

// func bf16VecAVX512(dst *[4]float32, w *byte, rowStep, cols int, x *float32)
// Four rows, rowStep bytes apart, of cols columns each, times one vector.
TEXT ·bf16VecAVX512(SB), NOSPLIT, $0-40
	MOVQ w+8(FP), SI
	MOVQ rowStep+16(FP), R8
	MOVQ cols+24(FP), CX
	MOVQ x+32(FP), DX
	LEAQ (R8)(R8*2), R9
	LEAQ (SI)(R8*4), R13    // the next four rows

	MOVL         $0xffff0000, AX
	VPBROADCASTD AX, Z31
	MOVL         $-1, AX
	KMOVD        AX, K1
	VPXORD       Z0, Z0, Z0
	VPXORD       Z1, Z1, Z1
	VPXORD       Z2, Z2, Z2
	VPXORD       Z3, Z3, Z3
	VPXORD       Z4, Z4, Z4
	VPXORD       Z5, Z5, Z5
	VPXORD       Z6, Z6, Z6
	VPXORD       Z7, Z7, Z7

loop:
	CMPQ CX, $32
	JGE  full

	// Less than 32 columns are left: mask what is beyond.
	MOVL  $1, AX
	SHLL  CX, AX
	DECL  AX
	KMOVD AX, K1
	MOVQ  $32, CX

full:
	PREFETCHT0 (R13)
	PREFETCHT0 (R13)(R8*1)
	PREFETCHT0 (R13)(R8*2)
	PREFETCHT0 (R13)(R9*1)
	VMOVUPS    (DX), Z8
	VMOVUPS    64(DX), Z9
	BF16ROW((SI), Z0, Z1)
	BF16ROW((SI)(R8*1), Z2, Z3)
	BF16ROW((SI)(R8*2), Z4, Z5)
	BF16ROW((SI)(R9*1), Z6, Z7)
	ADDQ       $64, SI
	ADDQ       $64, R13
	SUBQ       $-128, DX
	SUBQ       $32, CX
	JNZ        loop

	FOLD(Z0, Z1, Y0)
	FOLD(Z2, Z3, Y2)
	FOLD(Z4, Z5, Y4)
	FOLD(Z6, Z7, Y6)
	MOVQ dst+0(FP), AX
	VXORPS X3, X3, X3
	FINISH(X0, X2, X4, X6, (AX))
	VZEROUPPER
	RET

// One row's 32 columns: the even ones to Z24, the odd ones to Z25, for Z26 to
// Z31, the activations of three vectors.
#define BATCHROW(w, e0, o0, e1, o1, e2, o2) \
	VMOVDQU16.Z w, K1, Z24     \
	VMOVDQU16.Z w, K2, Z25     \
	VPSLLD      $16, Z24, Z24  \
	VFMADD231PS Z26, Z24, e0   \
	VFMADD231PS Z27, Z25, o0   \
	VFMADD231PS Z28, Z24, e1   \
	VFMADD231PS Z29, Z25, o1   \
	VFMADD231PS Z30, Z24, e2   \
	VFMADD231PS Z31, Z25, o2

#define ZERO8(a, b, c, d, e, f, g, h) \
	VPXORD a, a, a \
	VPXORD b, b, b \
	VPXORD c, c, c \
	VPXORD d, d, d \
	VPXORD e, e, e \
	VPXORD f, f, f \
	VPXORD g, g, g \
	VPXORD h, h, h

// func bf16BatchAVX512(dst *float32, stride int, w *byte, rowStep, cols int, x *float32, xStep int)
// Four rows times three vectors. stride, rowStep and xStep are in bytes.
TEXT ·bf16BatchAVX512(SB), NOSPLIT, $0-56
	MOVQ dst+0(FP), AX
	MOVQ stride+8(FP), BX
	MOVQ w+16(FP), SI
	MOVQ rowStep+24(FP), R8
	MOVQ cols+32(FP), CX
	MOVQ x+40(FP), DX
	MOVQ xStep+48(FP), R10
	LEAQ (R8)(R8*2), R9

	MOVL  $-1, R11
	KMOVD R11, K1
	MOVL  $0xaaaaaaaa, R12
	KMOVD R12, K2
	ZERO8(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
	ZERO8(Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15)
	ZERO8(Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23)

loop:
	CMPQ CX, $32
	JGE  full

	// Less than 32 columns are left: mask what is beyond.
	MOVL  $1, R11
	SHLL  CX, R11
	DECL  R11
	KMOVD R11, K1
	ANDL  R11, R12
	KMOVD R12, K2
	MOVQ  $32, CX

full:
	VMOVUPS (DX), Z26
	VMOVUPS 64(DX), Z27
	VMOVUPS (DX)(R10*1), Z28
	VMOVUPS 64(DX)(R10*1), Z29
	VMOVUPS (DX)(R10*2), Z30
	VMOVUPS 64(DX)(R10*2), Z31
	BATCHROW((SI), Z0, Z1, Z2, Z3, Z4, Z5)
	BATCHROW((SI)(R8*1), Z6, Z7, Z8, Z9, Z10, Z11)
	BATCHROW((SI)(R8*2), Z12, Z13, Z14, Z15, Z16, Z17)
	BATCHROW((SI)(R9*1), Z18, Z19, Z20, Z21, Z22, Z23)
	ADDQ    $64, SI
	SUBQ    $-128, DX
	SUBQ    $32, CX
	JNZ     loop

	FOLD(Z0, Z1, Y0)
	FOLD(Z2, Z3, Y2)
	FOLD(Z4, Z5, Y4)
	FOLD(Z6, Z7, Y6)
	FOLD(Z8, Z9, Y8)
	FOLD(Z10, Z11, Y10)
	FOLD(Z12, Z13, Y12)
	FOLD(Z14, Z15, Y14)
	FOLD(Z16, Z17, Y16)
	FOLD(Z18, Z19, Y18)
	FOLD(Z20, Z21, Y20)
	FOLD(Z22, Z23, Y22)
	VXORPS X3, X3, X3
	VMOVUPS Y18, Y13
	FINISH(X0, X6, X12, X13, (AX))
	ADDQ BX, AX
	VMOVUPS Y20, Y13
	FINISH(X2, X8, X14, X13, (AX))
	ADDQ BX, AX
	VMOVUPS Y16, Y12
	VMOVUPS Y22, Y13
	FINISH(X4, X10, X12, X13, (AX))
	VZEROUPPER
	RET

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

// One row's 32 columns: even and odd ones to the sums e and o. Z8 and Z9 have
// the even and odd activations.
#define MXFP4ROW(w, s, e, o) \
	MOVBLZX     s, AX                   \
	VMULPS.BCST (BX)(AX*4), Z31, Z10    \
	VPMOVZXBD   w, Z11                  \
	VPSRLD      $4, Z11, Z12            \
	VPERMPS     Z10, Z11, Z11           \
	VPERMPS     Z10, Z12, Z12           \
	VFMADD231PS Z8, Z11, e              \
	VFMADD231PS Z9, Z12, o

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
	MXFP4ROW((SI), (DI), Z0, Z1)
	MXFP4ROW((SI)(R8*1), (DI)(R10*1), Z2, Z3)
	MXFP4ROW((SI)(R8*2), (DI)(R10*2), Z4, Z5)
	MXFP4ROW((SI)(R9*1), (DI)(R11*1), Z6, Z7)
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
	MOVQ   dst+0(FP), AX
	VXORPS X3, X3, X3
	FINISH(X0, X2, X4, X6, (AX))
	VZEROUPPER
	RET

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
