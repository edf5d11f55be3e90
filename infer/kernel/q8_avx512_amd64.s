#include "textflag.h"

// Adds 4 columns of 16 rows. Flipping the top bit adds 128, which makes the
// weights the unsigned operand; the sum starts at what that adds in all.
#define GROUP(k) \
	VPXORD        k*64(SI), Z31, Z6 \
	VPDPBUSD.BCST k*4(DX), Z6, Z4

// One block of the tile: acc += products * weight scales * activation scale.
#define BLOCK(acc) \
	VPBROADCASTD (R12), Z4       \
	PREFETCHT0   4096(SI)        \
	PREFETCHT0   4160(SI)        \
	PREFETCHT0   4224(SI)        \
	PREFETCHT0   4288(SI)        \
	PREFETCHT0   4352(SI)        \
	PREFETCHT0   4416(SI)        \
	PREFETCHT0   4480(SI)        \
	PREFETCHT0   4544(SI)        \
	GROUP(0)                     \
	GROUP(1)                     \
	GROUP(2)                     \
	GROUP(3)                     \
	GROUP(4)                     \
	GROUP(5)                     \
	GROUP(6)                     \
	GROUP(7)                     \
	VPMOVZXWD    (R8), Z5        \
	VPSLLD       $16, Z5, Z5     \
	VMULPS.BCST  (BX), Z5, Z5    \
	VCVTDQ2PS    Z4, Z4          \
	VFMADD231PS  Z5, Z4, acc     \
	ADDQ         $512, SI        \
	ADDQ         $32, R8         \
	ADDQ         $32, DX         \
	ADDQ         $4, BX          \
	ADDQ         $4, R12         \
	DECQ         CX              \
	JZ           done

// func q8VecAVX512(dst *[16]float32, data *int8, scales *uint16, nb int, q *int8, scale *float32, corr *int32)
TEXT ·q8VecAVX512(SB), NOSPLIT, $0-56
	MOVQ data+8(FP), SI
	MOVQ scales+16(FP), R8
	MOVQ nb+24(FP), CX
	MOVQ q+32(FP), DX
	MOVQ scale+40(FP), BX
	MOVQ corr+48(FP), R12

	MOVL         $0x80808080, AX
	VPBROADCASTD AX, Z31
	VPXORD       Z0, Z0, Z0
	VPXORD       Z1, Z1, Z1
	VPXORD       Z2, Z2, Z2
	VPXORD       Z3, Z3, Z3

loop:
	BLOCK(Z0)
	BLOCK(Z1)
	BLOCK(Z2)
	BLOCK(Z3)
	JMP loop

done:
	VADDPS  Z2, Z0, Z0
	VADDPS  Z3, Z1, Z1
	VADDPS  Z1, Z0, Z0
	VPXORD  Z1, Z1, Z1
	VADDPS  Z1, Z0, Z0
	MOVQ    dst+0(FP), AX
	VMOVUPS Z0, (AX)
	VZEROUPPER
	RET
