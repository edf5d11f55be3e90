#include "textflag.h"

// Float activations.

// Sums 16 even and 16 odd products in Y0 to Y3 in the order of the package
// comment, and stores the sum.
#define SUM \
	VADDPS       Y2, Y0, Y0  \
	VADDPS       Y3, Y1, Y1  \
	VADDPS       Y1, Y0, Y0  \
	VEXTRACTF128 $1, Y0, X1  \
	VADDPS       X1, X0, X0  \
	VMOVHLPS     X0, X0, X1  \
	VADDPS       X1, X0, X0  \
	VMOVSHDUP    X0, X1      \
	VADDSS       X1, X0, X0  \
	VXORPS       X1, X1, X1  \
	VADDSS       X1, X0, X0  \
	MOVQ         dst+0(FP), AX \
	VMOVSS       X0, (AX)

#define ZERO \
	VXORPS Y0, Y0, Y0 \
	VXORPS Y1, Y1, Y1 \
	VXORPS Y2, Y2, Y2 \
	VXORPS Y3, Y3, Y3

// func bf16VecAVX2(dst *float32, w *byte, n int, x *float32)
// One row of n groups of 32 columns.
TEXT ·bf16VecAVX2(SB), NOSPLIT, $0-32
	MOVQ     w+8(FP), SI
	MOVQ     n+16(FP), CX
	MOVQ     x+24(FP), DX
	VPCMPEQD Y15, Y15, Y15
	VPSLLD   $16, Y15, Y15
	ZERO

loop:
	PREFETCHT0  4096(SI)
	VMOVDQU     (SI), Y4
	VMOVDQU     32(SI), Y5
	VPSLLD      $16, Y4, Y6
	VPSLLD      $16, Y5, Y7
	VPAND       Y15, Y4, Y4
	VPAND       Y15, Y5, Y5
	VFMADD231PS (DX), Y6, Y0
	VFMADD231PS 32(DX), Y7, Y1
	VFMADD231PS 64(DX), Y4, Y2
	VFMADD231PS 96(DX), Y5, Y3
	ADDQ        $64, SI
	SUBQ        $-128, DX
	DECQ        CX
	JNZ         loop
	SUM
	VZEROUPPER
	RET

// The magnitudes of 4-bit floats, of which the index has 3 bits.
DATA magnitudes<>+0(SB)/8, $0x3f00000000000000
DATA magnitudes<>+8(SB)/8, $0x3fc000003f800000
DATA magnitudes<>+16(SB)/8, $0x4040000040000000
DATA magnitudes<>+24(SB)/8, $0x40c0000040800000
GLOBL magnitudes<>(SB), RODATA|NOPTR, $32

// 8 bytes at w: the products of the lower nibbles to e, of the upper ones to o.
// Y4 has the magnitudes under the block's scale, Y14 the sign bit.
#define BYTES(w, xe, xo, e, o) \
	VPMOVZXBD   w, Y5         \
	VPSLLD      $28, Y5, Y6   \
	VPSLLD      $24, Y5, Y7   \
	VPAND       Y14, Y6, Y6   \
	VPAND       Y14, Y7, Y7   \
	VPSRLD      $4, Y5, Y8    \
	VPERMPS     Y4, Y5, Y5    \
	VPERMPS     Y4, Y8, Y8    \
	VPXOR       Y6, Y5, Y5    \
	VPXOR       Y7, Y8, Y8    \
	VFMADD231PS xe, Y5, e     \
	VFMADD231PS xo, Y8, o

// func mxfp4FloatAVX2(dst *float32, w, s *byte, nb int, x *float32, table *[256]float32)
// One row of nb blocks; table has the values of the scales.
TEXT ·mxfp4FloatAVX2(SB), NOSPLIT, $0-48
	MOVQ     w+8(FP), SI
	MOVQ     s+16(FP), DI
	MOVQ     nb+24(FP), CX
	MOVQ     x+32(FP), DX
	MOVQ     table+40(FP), BX
	VMOVUPS  magnitudes<>(SB), Y15
	VPCMPEQD Y14, Y14, Y14
	VPSLLD   $31, Y14, Y14
	ZERO

loop:
	PREFETCHT0   4096(SI)
	MOVBLZX      (DI), AX
	VBROADCASTSS (BX)(AX*4), Y4
	VMULPS       Y15, Y4, Y4
	BYTES((SI), (DX), 64(DX), Y0, Y2)
	BYTES(8(SI), 32(DX), 96(DX), Y1, Y3)
	ADDQ         $16, SI
	INCQ         DI
	SUBQ         $-128, DX
	DECQ         CX
	JNZ          loop
	SUM
	VZEROUPPER
	RET
