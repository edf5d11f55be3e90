#include "textflag.h"

// p = p*r + the constant at offset
#define HORNER(offset, p, r, t) \
	VMULPS       r, p, p             \
	VBROADCASTSS offset(AX), t       \
	VADDPS       t, p, p

// x = Exp(x). AX points to expTable, and Y15 has ones; Y8 to Y13 are lost.
#define EXP(x) \
	VBROADCASTSS (AX), Y8           \
	VCMPPS       $0x11, Y8, x, Y13  \ // x < expMin
	VBROADCASTSS 4(AX), Y8          \
	VMINPS       x, Y8, x           \ // a NaN stays
	VBROADCASTSS 8(AX), Y8          \
	VMULPS       Y8, x, Y9          \
	VBROADCASTSS 12(AX), Y8         \
	VADDPS       Y8, Y9, Y9         \ // t
	VSUBPS       Y8, Y9, Y10        \ // n
	VBROADCASTSS 16(AX), Y8         \
	VMULPS       Y8, Y10, Y11       \
	VSUBPS       Y11, x, x          \
	VBROADCASTSS 20(AX), Y8         \
	VMULPS       Y8, Y10, Y11       \
	VSUBPS       Y11, x, x          \ // r
	VBROADCASTSS 24(AX), Y10        \
	HORNER(28, Y10, x, Y8)          \
	HORNER(32, Y10, x, Y8)          \
	HORNER(36, Y10, x, Y8)          \
	HORNER(40, Y10, x, Y8)          \
	HORNER(44, Y10, x, Y8)          \
	VMULPS       x, x, Y11          \
	VMULPS       Y11, Y10, Y10      \
	VADDPS       x, Y10, Y10        \
	VADDPS       Y15, Y10, Y10      \
	VPSLLD       $23, Y9, Y9        \
	VPADDD       Y15, Y9, Y9        \ // 2^n
	VMULPS       Y9, Y10, x         \
	VANDNPS      x, Y13, x

// func expSumAVX2(s *float32, n int, m float32, parts *[8]float32, constants *expConstants)
// Sets n groups of 8 to Exp(s-m) and parts to their sums.
TEXT ·expSumAVX2(SB), NOSPLIT, $0-40
	MOVQ         s+0(FP), SI
	MOVQ         n+8(FP), CX
	VBROADCASTSS m+16(FP), Y14
	MOVQ         parts+24(FP), DI
	MOVQ         constants+32(FP), AX
	VBROADCASTSS 48(AX), Y15
	VXORPS       Y0, Y0, Y0

loop:
	VMOVUPS (SI), Y1
	VSUBPS  Y14, Y1, Y1
	EXP(Y1)
	VMOVUPS Y1, (SI)
	VADDPS  Y1, Y0, Y0
	ADDQ    $32, SI
	DECQ    CX
	JNZ     loop

	VMOVUPS Y0, (DI)
	VZEROUPPER
	RET

// func swigluAVX2(dst, a *float32, n int, limit, alpha float32, constants *expConstants)
// n groups of 8 elements of dst.
TEXT ·swigluAVX2(SB), NOSPLIT, $0-40
	MOVQ         dst+0(FP), DI
	MOVQ         a+8(FP), SI
	MOVQ         n+16(FP), CX
	MOVQ         constants+32(FP), AX
	VBROADCASTSS limit+24(FP), Y5
	VPCMPEQD     Y7, Y7, Y7
	VPSLLD       $31, Y7, Y7      // the sign
	VXORPS       Y7, Y5, Y6       // -limit
	VBROADCASTSS alpha+28(FP), Y14
	VBROADCASTSS 48(AX), Y15

loop:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VSHUFPS $0x88, Y1, Y0, Y2
	VSHUFPS $0xdd, Y1, Y0, Y3
	VPERMPD $0xd8, Y2, Y2    // gates
	VPERMPD $0xd8, Y3, Y3    // linear parts
	VMINPS  Y2, Y5, Y2       // of two, the last named one where one is a NaN
	VMINPS  Y3, Y5, Y3
	VMAXPS  Y3, Y6, Y3
	VADDPS  Y15, Y3, Y3
	VMULPS  Y3, Y2, Y3       // g*(u+1)
	VMULPS  Y14, Y2, Y2
	VXORPS  Y7, Y2, Y2
	EXP(Y2)
	VADDPS  Y15, Y2, Y2
	VDIVPS  Y2, Y3, Y3
	VMOVUPS Y3, (DI)
	ADDQ    $64, SI
	ADDQ    $32, DI
	DECQ    CX
	JNZ     loop
	VZEROUPPER
	RET

// Rearranges 8 pairs a, b: the even elements to e, the odd ones to o.
#define SPLIT(a, b, e, o) \
	VMOVUPS a, Y8             \
	VMOVUPS b, Y9             \
	VSHUFPS $0x88, Y9, Y8, e  \
	VSHUFPS $0xdd, Y9, Y8, o  \
	VPERMPD $0xd8, e, e       \
	VPERMPD $0xd8, o, o

DATA packed<>+0(SB)/8, $0x0000000400000000
DATA packed<>+8(SB)/8, $0x0000000500000001
DATA packed<>+16(SB)/8, $0x0000000600000002
DATA packed<>+24(SB)/8, $0x0000000700000003
GLOBL packed<>(SB), RODATA|NOPTR, $32

// func quantizeAVX2(q *int8, scale *float32, corr *int32, step int, x *float32, n int)
// Quantizes n blocks; step is the number of bytes from a block's scale and corr
// to the next one's.
TEXT ·quantizeAVX2(SB), NOSPLIT, $0-48
	MOVQ q+0(FP), DI
	MOVQ scale+8(FP), BX
	MOVQ corr+16(FP), R12
	MOVQ step+24(FP), R9
	MOVQ x+32(FP), SI
	MOVQ n+40(FP), CX

	VPCMPEQD Y15, Y15, Y15
	VPSRLD   $1, Y15, Y14       // all but the sign
	VMOVDQU  packed<>(SB), Y13
	MOVL     $0x42fe0000, AX    // 127
	VMOVD    AX, X12

loop:
	SPLIT((SI), 32(SI), Y0, Y2)
	SPLIT(64(SI), 96(SI), Y1, Y3)

	// The bits of magnitudes are in their order, NaNs being the largest.
	VPAND        Y14, Y0, Y4
	VPAND        Y14, Y1, Y5
	VPAND        Y14, Y2, Y6
	VPAND        Y14, Y3, Y7
	VPMAXUD      Y5, Y4, Y4
	VPMAXUD      Y7, Y6, Y6
	VPMAXUD      Y6, Y4, Y4
	VEXTRACTI128 $1, Y4, X5
	VPMAXUD      X5, X4, X4
	VPSHUFD      $0x4e, X4, X5
	VPMAXUD      X5, X4, X4
	VPSHUFD      $0xb1, X4, X5
	VPMAXUD      X5, X4, X4
	VMOVD        X4, AX
	CMPL         AX, $0x7f800000
	JAE          poison
	CMPL         AX, $0x0d800000 // 2^-100
	JB           zero

	VDIVSS       X12, X4, X5
	VMOVSS       X5, (BX)
	VDIVSS       X4, X12, X4
	VBROADCASTSS X4, Y4
	VMULPS       Y4, Y0, Y0
	VMULPS       Y4, Y1, Y1
	VMULPS       Y4, Y2, Y2
	VMULPS       Y4, Y3, Y3
	VCVTPS2DQ    Y0, Y0
	VCVTPS2DQ    Y1, Y1
	VCVTPS2DQ    Y2, Y2
	VCVTPS2DQ    Y3, Y3
	VPADDD       Y1, Y0, Y4
	VPADDD       Y3, Y2, Y5
	VPADDD       Y5, Y4, Y4
	VPACKSSDW    Y1, Y0, Y0
	VPACKSSDW    Y3, Y2, Y2
	VPACKSSWB    Y2, Y0, Y0
	VPERMD       Y0, Y13, Y0
	VMOVDQU      Y0, (DI)
	VEXTRACTI128 $1, Y4, X5
	VPADDD       X5, X4, X4
	VPSHUFD      $0x4e, X4, X5
	VPADDD       X5, X4, X4
	VPSHUFD      $0xb1, X4, X5
	VPADDD       X5, X4, X4
	VMOVD        X4, AX
	SHLL         $7, AX
	NEGL         AX
	MOVL         AX, (R12)

next:
	SUBQ $-128, SI
	ADDQ $32, DI
	ADDQ R9, BX
	ADDQ R9, R12
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

poison:
	MOVL $0x7fc00000, (BX)
	JMP  nothing

zero:
	MOVL $0, (BX)

nothing:
	MOVL    $0, (R12)
	VPXOR   Y0, Y0, Y0
	VMOVDQU Y0, (DI)
	JMP     next

// y = y rounded to bfloat16, ties to even; a NaN stays one.
#define ROUND(y) \
	VCMPPS    $3, y, y, Y9      \ // unordered: a NaN
	VPAND     Y10, y, Y11       \
	VPOR      Y13, Y11, Y11     \
	VPSRLD    $16, y, Y8        \
	VPAND     Y14, Y8, Y8       \
	VPADDD    Y15, Y8, Y8       \
	VPADDD    y, Y8, y          \
	VPAND     Y10, y, y         \
	VBLENDVPS Y9, Y11, y, y

// func splitAVX2(dst, x *float32, n int, round bool)
// Copies n times 32 elements, the even ones before the odd ones.
TEXT ·splitAVX2(SB), NOSPLIT, $0-25
	MOVQ         dst+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         n+16(FP), CX
	MOVBLZX      round+24(FP), DX
	MOVL         $1, AX
	VMOVD        AX, X14
	VPBROADCASTD X14, Y14
	MOVL         $0x7fff, AX
	VMOVD        AX, X15
	VPBROADCASTD X15, Y15
	VPCMPEQD     Y10, Y10, Y10
	VPSLLD       $16, Y10, Y10
	VPSLLD       $22, Y14, Y13

loop:
	SPLIT((SI), 32(SI), Y0, Y2)
	SPLIT(64(SI), 96(SI), Y1, Y3)
	TESTL   DX, DX
	JZ      store
	ROUND(Y0)
	ROUND(Y1)
	ROUND(Y2)
	ROUND(Y3)

store:
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	VMOVUPS Y2, 64(DI)
	VMOVUPS Y3, 96(DI)
	SUBQ    $-128, SI
	SUBQ    $-128, DI
	DECQ    CX
	JNZ     loop
	VZEROUPPER
	RET
