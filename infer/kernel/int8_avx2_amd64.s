#include "textflag.h"

// One vector of integers by Q8.

// 4 columns of 8 rows at w to dot. Y12 has the activations.
#define GROUP(w, dot) \
	VMOVDQU    w, Y10           \
	VPSIGNB    Y10, Y12, Y11    \
	VPABSB     Y10, Y10         \
	VPMADDUBSW Y11, Y10, Y10    \
	VPMADDWD   Y13, Y10, Y10    \
	VPADDD     Y10, dot, dot

#define GROUPS(k) \
	VPBROADCASTD k*4(DX), Y12  \
	GROUP(k*64(SI), Y8)        \
	GROUP(k*64+32(SI), Y9)

#define SCALE(s, dot, acc) \
	VPMOVZXWD   s, Y10         \
	VPSLLD      $16, Y10, Y10  \
	VMULPS      Y12, Y10, Y10  \
	VCVTDQ2PS   dot, dot       \
	VFMADD231PS Y10, dot, acc

// One block of the tile: rows 0 to 7 to a, the others to b.
#define BLOCK(a, b) \
	VPXOR        Y8, Y8, Y8    \
	VPXOR        Y9, Y9, Y9    \
	GROUPS(0)                  \
	GROUPS(1)                  \
	GROUPS(2)                  \
	GROUPS(3)                  \
	GROUPS(4)                  \
	GROUPS(5)                  \
	GROUPS(6)                  \
	GROUPS(7)                  \
	VBROADCASTSS (BX), Y12     \
	SCALE((R8), Y8, a)         \
	SCALE(16(R8), Y9, b)       \
	ADDQ         $512, SI      \
	ADDQ         $32, R8       \
	ADDQ         $32, DX       \
	ADDQ         R9, BX        \
	DECQ         CX            \
	JZ           done

// func q8VecAVX2(dst *[16]float32, data *int8, scales *uint16, nb int, q *int8, scale *float32, step int)
// step is the number of bytes from a block's scale to the next one's.
TEXT ·q8VecAVX2(SB), NOSPLIT, $0-56
	MOVQ     data+8(FP), SI
	MOVQ     scales+16(FP), R8
	MOVQ     nb+24(FP), CX
	MOVQ     q+32(FP), DX
	MOVQ     scale+40(FP), BX
	MOVQ     step+48(FP), R9
	VPCMPEQW Y13, Y13, Y13
	VPSRLW   $15, Y13, Y13
	VXORPS   Y0, Y0, Y0
	VXORPS   Y1, Y1, Y1
	VXORPS   Y2, Y2, Y2
	VXORPS   Y3, Y3, Y3
	VXORPS   Y4, Y4, Y4
	VXORPS   Y5, Y5, Y5
	VXORPS   Y6, Y6, Y6
	VXORPS   Y7, Y7, Y7

loop:
	BLOCK(Y0, Y1)
	BLOCK(Y2, Y3)
	BLOCK(Y4, Y5)
	BLOCK(Y6, Y7)
	JMP loop

done:
	VADDPS  Y4, Y0, Y0
	VADDPS  Y6, Y2, Y2
	VADDPS  Y2, Y0, Y0
	VADDPS  Y5, Y1, Y1
	VADDPS  Y7, Y3, Y3
	VADDPS  Y3, Y1, Y1
	VXORPS  Y2, Y2, Y2
	VADDPS  Y2, Y0, Y0
	VADDPS  Y2, Y1, Y1
	MOVQ    dst+0(FP), AX
	VMOVUPS Y0, (AX)
	VMOVUPS Y1, 32(AX)
	VZEROUPPER
	RET
