#include "textflag.h"

// One row's 32 columns at w: even ones to the sums e, odd ones to o.
// Z8 and Z9 have the even and odd activations.
#define ROW(w, e, o) \
	VMOVDQU16.Z w, K1, Z10     \
	VPSLLD      $16, Z10, Z11  \
	VPANDD      Z31, Z10, Z10  \
	VFMADD231PS Z8, Z11, e     \
	VFMADD231PS Z9, Z10, o

// Sums 16 pairs down to 4 lanes: x, the lower part of e.
#define FOLD(e, o, ye, xe) \
	VADDPS        o, e, e      \
	VEXTRACTF64X4 $1, e, Y8    \
	VADDPS        Y8, ye, ye   \
	VEXTRACTF128  $1, ye, X8   \
	VADDPS        X8, xe, xe

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
	ROW((SI), Z0, Z1)
	ROW((SI)(R8*1), Z2, Z3)
	ROW((SI)(R8*2), Z4, Z5)
	ROW((SI)(R9*1), Z6, Z7)
	ADDQ       $64, SI
	ADDQ       $64, R13
	SUBQ       $-128, DX
	SUBQ       $32, CX
	JNZ        loop

	FOLD(Z0, Z1, Y0, X0)
	FOLD(Z2, Z3, Y2, X2)
	FOLD(Z4, Z5, Y4, X4)
	FOLD(Z6, Z7, Y6, X6)

	// Four rows' four lanes each: add upper to lower half, and again.
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
