#include "textflag.h"

DATA packed<>+0(SB)/8, $0x0000000400000000
DATA packed<>+8(SB)/8, $0x0000000500000001
DATA packed<>+16(SB)/8, $0x0000000600000002
DATA packed<>+24(SB)/8, $0x0000000700000003
GLOBL packed<>(SB), RODATA|NOPTR, $32

// func rowAVX2(data *int8, scales *uint16, row *byte, n int)
// Quantizes n blocks of bfloat16 numbers to the places of a row in a tile.
TEXT ·rowAVX2(SB), NOSPLIT, $0-32
	MOVQ     data+0(FP), DI
	MOVQ     scales+8(FP), R8
	MOVQ     row+16(FP), SI
	MOVQ     n+24(FP), CX
	VPCMPEQD Y15, Y15, Y15
	VPSLLD   $16, Y15, Y14      // the upper half
	VPSRLD   $1, Y15, Y15       // all but the sign
	VMOVDQU  packed<>(SB), Y13
	MOVL     $0x42fe0000, AX    // 127
	VMOVD    AX, X12
	MOVL     $0x3f800000, AX    // 1
	VMOVD    AX, X11

loop:
	VMOVDQU (SI), Y4
	VMOVDQU 32(SI), Y5
	VPSLLD  $16, Y4, Y0
	VPSLLD  $16, Y5, Y1
	VPAND   Y14, Y4, Y2
	VPAND   Y14, Y5, Y3

	// The bits of magnitudes are in their order, NaNs being the largest.
	VPAND        Y15, Y0, Y4
	VPAND        Y15, Y1, Y5
	VPAND        Y15, Y2, Y6
	VPAND        Y15, Y3, Y7
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

	// The scale, rounded up.
	VDIVSS X12, X4, X4
	VMOVD  X4, AX
	ADDL   $0xffff, AX
	SHRL   $16, AX
	MOVW   AX, (R8)
	SHLL   $16, AX
	VMOVD  AX, X4

	VDIVSS       X4, X11, X4
	VBROADCASTSS X4, Y4
	VMULPS       Y4, Y0, Y0
	VMULPS       Y4, Y1, Y1
	VMULPS       Y4, Y2, Y2
	VMULPS       Y4, Y3, Y3
	VCVTPS2DQ    Y0, Y0
	VCVTPS2DQ    Y1, Y1
	VCVTPS2DQ    Y2, Y2
	VCVTPS2DQ    Y3, Y3
	VPACKSSDW    Y1, Y0, Y0
	VPACKSSDW    Y3, Y2, Y2
	VPACKSSWB    Y2, Y0, Y0
	VPERMD       Y0, Y13, Y0

store:
	VEXTRACTI128 $1, Y0, X1
	VMOVD        X0, (DI)
	VPEXTRD      $1, X0, 64(DI)
	VPEXTRD      $2, X0, 128(DI)
	VPEXTRD      $3, X0, 192(DI)
	VMOVD        X1, 256(DI)
	VPEXTRD      $1, X1, 320(DI)
	VPEXTRD      $2, X1, 384(DI)
	VPEXTRD      $3, X1, 448(DI)
	ADDQ         $512, DI
	ADDQ         $32, R8
	ADDQ         $64, SI
	DECQ         CX
	JNZ          loop
	VZEROUPPER
	RET

poison:
	MOVW  $0x7fc0, (R8)
	VPXOR Y0, Y0, Y0
	JMP   store

zero:
	MOVW  $0, (R8)
	VPXOR Y0, Y0, Y0
	JMP   store
