#include "textflag.h"

// Float activations.

DATA upperHalf<>+0(SB)/4, $0xffff0000
GLOBL upperHalf<>(SB), RODATA|NOPTR, $4

// Loads of a whole group of 32 columns, and of one of which K1 has the columns.
#define WHOLE(w, z) VMOVDQU64 w, z
#define PART(w, z) VMOVDQU16.Z w, K1, z

// One row's 32 columns: the even ones to e, the odd ones to o.
#define LOADROW(LOAD, w, e, o) \
	LOAD(w, e)                            \
	VPANDD.BCST upperHalf<>(SB), e, o     \
	VPSLLD      $16, e, e

// One row's 32 columns times the even and odd activations in Z8 and Z9: even
// products to the sums e, odd ones to o.
#define BF16ROW(LOAD, w, e, o) \
	LOADROW(LOAD, w, Z10, Z11)  \
	VFMADD231PS Z8, Z10, e      \
	VFMADD231PS Z9, Z11, o

#define FOURROWS(LOAD) \
	VMOVUPS (DX), Z8                      \
	VMOVUPS 64(DX), Z9                    \
	BF16ROW(LOAD, (SI), Z0, Z1)           \
	BF16ROW(LOAD, (SI)(R8*1), Z2, Z3)     \
	BF16ROW(LOAD, (SI)(R8*2), Z4, Z5)     \
	BF16ROW(LOAD, (SI)(R9*1), Z6, Z7)

#define ZERO8(a, b, c, d, e, f, g, h) \
	VPXORD a, a, a \
	VPXORD b, b, b \
	VPXORD c, c, c \
	VPXORD d, d, d \
	VPXORD e, e, e \
	VPXORD f, f, f \
	VPXORD g, g, g \
	VPXORD h, h, h

// Sets K1 to the columns that are left when CX is them less 32.
#define MASK \
	ADDQ  $32, CX   \
	MOVL  $1, R11   \
	SHLL  CX, R11   \
	DECL  R11       \ // 0 if none are left
	KMOVD R11, K1

// Sums 16 pairs down to the lower 4 lanes of y, the lower half of e. Z31 is lost.
#define FOLD(e, o, y) \
	VADDPS        o, e, e      \
	VEXTRACTF64X4 $1, e, Y31   \
	VADDPS        Y31, y, y    \
	VEXTRACTF32X4 $1, y, X31   \
	VADDPS        Y31, y, y

// Sums four rows' four lanes each, as halves, to X7. X3 is 0; X1 and X5 are lost.
#define FINISH(a, b, c, d) \
	VUNPCKLPS b, a, X1    \
	VUNPCKHPS b, a, X5    \
	VADDPS    X5, X1, X1  \
	VUNPCKLPS d, c, X5    \
	VUNPCKHPS d, c, X7    \
	VADDPS    X7, X5, X5  \
	VUNPCKLPD X5, X1, X7  \
	VUNPCKHPD X5, X1, X1  \
	VADDPS    X1, X7, X7  \
	VADDPS    X3, X7, X7

// func bf16VecAVX512(dst *float32, w *byte, rowStep, cols, groups int, x *float32)
// groups times four rows, rowStep bytes apart, of cols columns each, times one
// vector.
TEXT ·bf16VecAVX512(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), AX
	MOVQ rowStep+16(FP), R8
	MOVQ groups+32(FP), BX
	LEAQ (R8)(R8*2), R9

rows:
	MOVQ w+8(FP), SI
	MOVQ cols+24(FP), CX
	MOVQ x+40(FP), DX
	LEAQ (SI)(R8*4), R13 // the next four rows
	MOVQ R13, w+8(FP)
	ZERO8(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
	SUBQ $32, CX
	JL   part

loop:
	PREFETCHT1 (R13)
	PREFETCHT1 (R13)(R8*1)
	PREFETCHT1 (R13)(R8*2)
	PREFETCHT1 (R13)(R9*1)
	FOURROWS(WHOLE)
	ADDQ       $64, SI
	ADDQ       $64, R13
	SUBQ       $-128, DX
	SUBQ       $32, CX
	JGE        loop

part:
	MASK
	JZ done
	FOURROWS(PART)

done:
	FOLD(Z0, Z1, Y0)
	FOLD(Z2, Z3, Y2)
	FOLD(Z4, Z5, Y4)
	FOLD(Z6, Z7, Y6)
	VXORPS  X3, X3, X3
	FINISH(X0, X2, X4, X6)
	VMOVUPS X7, (AX)
	ADDQ    $16, AX
	DECQ    BX
	JNZ     rows
	VZEROUPPER
	RET

// One vector's 32 elements at xe and xo times three rows, which are in Z24 to
// Z29, to the sums of even and odd products of each row.
#define THREEROWS(xe, xo, e0, o0, e1, o1, e2, o2) \
	VMOVUPS     xe, Z30       \
	VMOVUPS     xo, Z31       \
	VFMADD231PS Z30, Z24, e0  \
	VFMADD231PS Z31, Z25, o0  \
	VFMADD231PS Z30, Z26, e1  \
	VFMADD231PS Z31, Z27, o1  \
	VFMADD231PS Z30, Z28, e2  \
	VFMADD231PS Z31, Z29, o2

#define FOURVECTORS(LOAD) \
	LOADROW(LOAD, (SI), Z24, Z25)                                     \
	LOADROW(LOAD, (SI)(R8*1), Z26, Z27)                               \
	LOADROW(LOAD, (SI)(R8*2), Z28, Z29)                               \
	THREEROWS((DX), 64(DX), Z0, Z1, Z2, Z3, Z4, Z5)                   \
	THREEROWS((DX)(R10*1), 64(DX)(R10*1), Z6, Z7, Z8, Z9, Z10, Z11)   \
	THREEROWS((DX)(R10*2), 64(DX)(R10*2), Z12, Z13, Z14, Z15, Z16, Z17) \
	THREEROWS((DX)(R13*1), 64(DX)(R13*1), Z18, Z19, Z20, Z21, Z22, Z23)

// func bf16BatchAVX512(dst *float32, stride int, w *byte, rowStep, cols int, x *float32, xStep int)
// Three rows times four vectors. stride, rowStep and xStep are in bytes.
TEXT ·bf16BatchAVX512(SB), NOSPLIT, $0-56
	MOVQ dst+0(FP), AX
	MOVQ stride+8(FP), BX
	MOVQ w+16(FP), SI
	MOVQ rowStep+24(FP), R8
	MOVQ cols+32(FP), CX
	MOVQ x+40(FP), DX
	MOVQ xStep+48(FP), R10
	LEAQ (R10)(R10*2), R13

	ZERO8(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
	ZERO8(Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15)
	ZERO8(Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23)

	SUBQ $32, CX
	JL   part

loop:
	FOURVECTORS(WHOLE)
	ADDQ $64, SI
	SUBQ $-128, DX
	SUBQ $32, CX
	JGE  loop

part:
	MASK
	JZ done
	FOURVECTORS(PART)

done:
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

	// The fourth lane is not ours to write.
	MOVL   $7, R11
	KMOVD  R11, K1
	VXORPS X3, X3, X3
	FINISH(X0, X2, X4, X4)
	VMOVUPS X7, K1, (AX)
	ADDQ    BX, AX
	FINISH(X6, X8, X10, X10)
	VMOVUPS X7, K1, (AX)
	ADDQ    BX, AX
	FINISH(X12, X14, X16, X16)
	VMOVUPS X7, K1, (AX)
	ADDQ    BX, AX
	FINISH(X18, X20, X22, X22)
	VMOVUPS X7, K1, (AX)
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
	VMULPS.BCST (BX)(AX*4), Z30, Z10    \
	VPMOVZXBD   w, Z11                  \
	VPSRLD      $4, Z11, Z12            \
	VPERMPS     Z10, Z11, Z11           \
	VPERMPS     Z10, Z12, Z12           \
	VFMADD231PS Z8, Z11, e              \
	VFMADD231PS Z9, Z12, o

// func mxfp4FloatAVX512(dst *float32, w, s *byte, rowStep, nb, groups int, x *float32, table *[256]float32)
// groups times four rows, rowStep blocks apart, of nb blocks each, times one
// vector; table has the values of the scales.
TEXT ·mxfp4FloatAVX512(SB), NOSPLIT, $0-64
	MOVQ    rowStep+24(FP), R10
	MOVQ    groups+40(FP), R12
	MOVQ    table+56(FP), BX
	LEAQ    (R10)(R10*2), R11
	MOVQ    R10, R8
	SHLQ    $4, R8
	LEAQ    (R8)(R8*2), R9
	VMOVUPS fp4Values<>(SB), Z30

rows:
	MOVQ    w+8(FP), SI
	MOVQ    s+16(FP), DI
	MOVQ    nb+32(FP), CX
	MOVQ    x+48(FP), DX
	LEAQ    (SI)(R8*4), R13 // the next four rows
	MOVQ    R13, w+8(FP)
	VPXORD  Z0, Z0, Z0
	VPXORD  Z1, Z1, Z1
	VPXORD  Z2, Z2, Z2
	VPXORD  Z3, Z3, Z3
	VPXORD  Z4, Z4, Z4
	VPXORD  Z5, Z5, Z5
	VPXORD  Z6, Z6, Z6
	VPXORD  Z7, Z7, Z7

loop:
	PREFETCHT1 (R13)
	PREFETCHT1 (R13)(R8*1)
	PREFETCHT1 (R13)(R8*2)
	PREFETCHT1 (R13)(R9*1)
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
	MOVQ    dst+0(FP), AX
	VXORPS  X3, X3, X3
	FINISH(X0, X2, X4, X6)
	VMOVUPS X7, (AX)
	ADDQ    $16, dst+0(FP)
	LEAQ    (R10*4), AX
	ADDQ    AX, s+16(FP)
	DECQ    R12
	JNZ     rows
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
