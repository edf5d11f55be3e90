#include "textflag.h"

// Four keys, R8 bytes apart at SI, times the query at DX, of which a step takes
// 8 elements: the sums Y0 to Y3, and the results to DI.
#define REDUCE \
	VEXTRACTF128 $1, Y0, X4      \
	VEXTRACTF128 $1, Y1, X5      \
	VEXTRACTF128 $1, Y2, X6      \
	VEXTRACTF128 $1, Y3, X7      \
	VADDPS       X4, X0, X0      \
	VADDPS       X5, X1, X1      \
	VADDPS       X6, X2, X2      \
	VADDPS       X7, X3, X3      \
	VUNPCKLPS    X1, X0, X4      \
	VUNPCKHPS    X1, X0, X5      \
	VUNPCKLPS    X3, X2, X6      \
	VUNPCKHPS    X3, X2, X7      \
	VADDPS       X5, X4, X4      \
	VADDPS       X7, X6, X6      \
	VUNPCKLPD    X6, X4, X0      \
	VUNPCKHPD    X6, X4, X1      \
	VADDPS       X1, X0, X0      \
	VBROADCASTSS scale+48(FP), X1 \
	VMULPS       X1, X0, X0      \
	VMOVUPS      X0, (DI)

#define START \
	MOVQ         keys+16(FP), SI      \
	MOVQ         step+24(FP), R8      \
	LEAQ         (R8)(R8*2), R9       \
	MOVQ         dst+0(FP), DI        \
	MOVQ         groups+40(FP), R10

#define START4 \
	MOVQ   q+8(FP), DX    \
	MOVQ   n+32(FP), CX   \
	LEAQ   (SI)(R8*4), R11 \
	VXORPS Y0, Y0, Y0     \
	VXORPS Y1, Y1, Y1     \
	VXORPS Y2, Y2, Y2     \
	VXORPS Y3, Y3, Y3

// func dotsF32AVX2(dst, q, keys *float32, step, n, groups int, scale float32)
// groups times four keys of n times 8 elements, step bytes apart.
TEXT ·dotsF32AVX2(SB), NOSPLIT, $0-52
	START

four:
	START4

loop:
	VMOVUPS     (DX), Y8
	VFMADD231PS (SI), Y8, Y0
	VFMADD231PS (SI)(R8*1), Y8, Y1
	VFMADD231PS (SI)(R8*2), Y8, Y2
	VFMADD231PS (SI)(R9*1), Y8, Y3
	ADDQ        $32, SI
	ADDQ        $32, DX
	DECQ        CX
	JNZ         loop
	REDUCE
	ADDQ        $16, DI
	MOVQ        R11, SI
	DECQ        R10
	JNZ         four
	VZEROUPPER
	RET

// 16 bfloat16 numbers at m: the even ones to e, the odd ones to o. Y15 selects
// the upper halves of 32 bits.
#define WIDE(m, e, o) \
	VMOVDQU m, o        \
	VPSLLD  $16, o, e   \
	VPAND   Y15, o, o

#define KEY(m, acc) \
	WIDE(m, Y4, Y5)        \
	VFMADD231PS Y4, Y8, acc \
	VFMADD231PS Y5, Y9, acc

// func dotsBF16AVX2(dst, q *float32, keys *uint16, step, n, groups int, scale float32)
// groups times four keys of n times 32 elements, step bytes apart. Of q, each 32
// elements are 16 even and 16 odd ones.
TEXT ·dotsBF16AVX2(SB), NOSPLIT, $0-52
	START
	VPCMPEQD Y15, Y15, Y15
	VPSLLD   $16, Y15, Y15

four:
	START4

loop:
	VMOVUPS (DX), Y8
	VMOVUPS 64(DX), Y9
	KEY((SI), Y0)
	KEY((SI)(R8*1), Y1)
	KEY((SI)(R8*2), Y2)
	KEY((SI)(R9*1), Y3)
	VMOVUPS 32(DX), Y8
	VMOVUPS 96(DX), Y9
	KEY(32(SI), Y0)
	KEY(32(SI)(R8*1), Y1)
	KEY(32(SI)(R8*2), Y2)
	KEY(32(SI)(R9*1), Y3)
	ADDQ    $64, SI
	SUBQ    $-128, DX
	DECQ    CX
	JNZ     loop
	REDUCE
	ADDQ    $16, DI
	MOVQ    R11, SI
	DECQ    R10
	JNZ     four
	VZEROUPPER
	RET

// func addWeightedF32AVX2(dst, w, values *float32, step, n int)
// 64 elements of dst and of each of n values, which are step bytes apart.
TEXT ·addWeightedF32AVX2(SB), NOSPLIT, $0-40
	MOVQ    dst+0(FP), DI
	MOVQ    w+8(FP), DX
	MOVQ    values+16(FP), SI
	MOVQ    step+24(FP), R8
	MOVQ    n+32(FP), CX
	VMOVUPS (DI), Y0
	VMOVUPS 32(DI), Y1
	VMOVUPS 64(DI), Y2
	VMOVUPS 96(DI), Y3
	VMOVUPS 128(DI), Y4
	VMOVUPS 160(DI), Y5
	VMOVUPS 192(DI), Y6
	VMOVUPS 224(DI), Y7

loop:
	VBROADCASTSS (DX), Y8
	VFMADD231PS  (SI), Y8, Y0
	VFMADD231PS  32(SI), Y8, Y1
	VFMADD231PS  64(SI), Y8, Y2
	VFMADD231PS  96(SI), Y8, Y3
	VFMADD231PS  128(SI), Y8, Y4
	VFMADD231PS  160(SI), Y8, Y5
	VFMADD231PS  192(SI), Y8, Y6
	VFMADD231PS  224(SI), Y8, Y7
	ADDQ         $4, DX
	ADDQ         R8, SI
	DECQ         CX
	JNZ          loop
	VMOVUPS      Y0, (DI)
	VMOVUPS      Y1, 32(DI)
	VMOVUPS      Y2, 64(DI)
	VMOVUPS      Y3, 96(DI)
	VMOVUPS      Y4, 128(DI)
	VMOVUPS      Y5, 160(DI)
	VMOVUPS      Y6, 192(DI)
	VMOVUPS      Y7, 224(DI)
	VZEROUPPER
	RET

// Stores 8 even and 8 odd elements as 16 in their order, and loads them so.
#define MERGE(e, o, a, b) \
	VUNPCKLPS  o, e, Y4          \
	VUNPCKHPS  o, e, Y5          \
	VPERM2F128 $0x20, Y5, Y4, e  \
	VPERM2F128 $0x31, Y5, Y4, o  \
	VMOVUPS    e, a              \
	VMOVUPS    o, b

#define SPLIT(a, b, e, o) \
	VMOVUPS a, Y4             \
	VMOVUPS b, Y5             \
	VSHUFPS $0x88, Y5, Y4, e  \
	VSHUFPS $0xdd, Y5, Y4, o  \
	VPERMPD $0xd8, e, e       \
	VPERMPD $0xd8, o, o

// func addWeightedBF16AVX2(dst, w *float32, values *uint16, step, n int)
// 64 elements of dst and of each of n values, which are step bytes apart.
TEXT ·addWeightedBF16AVX2(SB), NOSPLIT, $0-40
	MOVQ     dst+0(FP), DI
	MOVQ     w+8(FP), DX
	MOVQ     values+16(FP), SI
	MOVQ     step+24(FP), R8
	MOVQ     n+32(FP), CX
	VPCMPEQD Y15, Y15, Y15
	VPSLLD   $16, Y15, Y15
	SPLIT((DI), 32(DI), Y6, Y7)
	SPLIT(64(DI), 96(DI), Y8, Y9)
	SPLIT(128(DI), 160(DI), Y10, Y11)
	SPLIT(192(DI), 224(DI), Y12, Y13)

loop:
	VBROADCASTSS (DX), Y14
	WIDE((SI), Y0, Y1)
	WIDE(32(SI), Y2, Y3)
	VFMADD231PS  Y0, Y14, Y6
	VFMADD231PS  Y1, Y14, Y7
	VFMADD231PS  Y2, Y14, Y8
	VFMADD231PS  Y3, Y14, Y9
	WIDE(64(SI), Y0, Y1)
	WIDE(96(SI), Y2, Y3)
	VFMADD231PS  Y0, Y14, Y10
	VFMADD231PS  Y1, Y14, Y11
	VFMADD231PS  Y2, Y14, Y12
	VFMADD231PS  Y3, Y14, Y13
	ADDQ         $4, DX
	ADDQ         R8, SI
	DECQ         CX
	JNZ          loop

	MERGE(Y6, Y7, (DI), 32(DI))
	MERGE(Y8, Y9, 64(DI), 96(DI))
	MERGE(Y10, Y11, 128(DI), 160(DI))
	MERGE(Y12, Y13, 192(DI), 224(DI))
	VZEROUPPER
	RET
