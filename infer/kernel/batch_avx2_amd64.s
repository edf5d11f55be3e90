#include "textflag.h"

// Batches of integers by Q8.

// Vector t's products of 4 columns of 8 rows: q has the vector's 4 integers, Y12
// the weights and Y13 their magnitudes.
#define PRODUCTS(q) \
	VPBROADCASTD q, Y14           \
	VPSIGNB      Y12, Y14, Y14    \
	VPMADDUBSW   Y14, Y13, Y14

// Adds products to dot.
#define ADD(dot) \
	VPMADDWD Y15, Y14, Y14  \
	VPADDD   Y14, dot, dot

#define GROUP(k) \
	VMOVDQU k*64(SI), Y12        \
	VPABSB  Y12, Y13             \
	PRODUCTS(k*4(DX))            \
	ADD(Y0)                      \
	PRODUCTS(k*4(DX)(R9*1))      \
	ADD(Y1)                      \
	PRODUCTS(k*4(DX)(R9*2))      \
	ADD(Y2)                      \
	PRODUCTS(k*4(DX)(R10*1))     \
	ADD(Y3)

// Vector i's block: acc += products * weight scales * activation scale.
#define SCALE(i, dot, acc) \
	VBROADCASTSS i*4(BX), Y12          \
	VMULPS       Y12, Y13, Y12         \
	VCVTDQ2PS    dot, dot              \
	VFMADD231PS  Y12, dot, acc

// Adds up the four passes of vector i and stores the result.
#define FINISH(i) \
	VMOVUPS i*32(DI), Y0           \
	VADDPS  256+i*32(DI), Y0, Y0   \
	VMOVUPS 128+i*32(DI), Y1       \
	VADDPS  384+i*32(DI), Y1, Y1   \
	VADDPS  Y1, Y0, Y0             \
	VADDPS  Y2, Y0, Y0             \
	VMOVUPS Y0, (DX)               \
	ADDQ    R8, DX

// func q8BatchAVX2(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, step int)
// 8 rows of a tile times 4 vectors. The blocks are visited in four passes, one
// for each accumulator of the order of operations. stride, qStep and step are in bytes.
TEXT ·q8BatchAVX2(SB), 0, $512-72
	MOVQ     qStep+48(FP), R9
	LEAQ     (R9)(R9*2), R10
	VPCMPEQW Y15, Y15, Y15
	VPSRLW   $15, Y15, Y15
	LEAQ     acc-512(SP), DI
	XORQ     R15, R15            // the pass

pass:
	MOVQ  data+16(FP), SI
	MOVQ  scales+24(FP), R8
	MOVQ  nb+32(FP), CX
	MOVQ  q+40(FP), DX
	MOVQ  scale+56(FP), BX
	MOVQ  step+64(FP), AX
	MOVQ  R15, R14
	IMULQ AX, R14
	ADDQ  R14, BX
	MOVQ  R15, R14
	SHLQ  $5, R14
	ADDQ  R14, R8
	ADDQ  R14, DX
	SHLQ  $4, R14
	ADDQ  R14, SI
	SHLQ  $2, AX
	SUBQ  R15, CX
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	CMPQ  CX, $0
	JLE   next

loop:
	VPXOR     Y0, Y0, Y0
	VPXOR     Y1, Y1, Y1
	VPXOR     Y2, Y2, Y2
	VPXOR     Y3, Y3, Y3
	GROUP(0)
	GROUP(1)
	GROUP(2)
	GROUP(3)
	GROUP(4)
	GROUP(5)
	GROUP(6)
	GROUP(7)
	VPMOVZXWD (R8), Y13
	VPSLLD    $16, Y13, Y13
	SCALE(0, Y0, Y4)
	SCALE(1, Y1, Y5)
	SCALE(2, Y2, Y6)
	SCALE(3, Y3, Y7)
	ADDQ      $2048, SI
	ADDQ      $128, R8
	SUBQ      $-128, DX
	ADDQ      AX, BX
	SUBQ      $4, CX
	JG        loop

next:
	VMOVUPS Y4, (DI)
	VMOVUPS Y5, 32(DI)
	VMOVUPS Y6, 64(DI)
	VMOVUPS Y7, 96(DI)
	SUBQ    $-128, DI
	INCQ    R15
	CMPQ    R15, $4
	JLT     pass
	SUBQ    $512, DI
	VXORPS  Y2, Y2, Y2
	MOVQ    dst+0(FP), DX
	MOVQ    stride+8(FP), R8
	FINISH(0)
	FINISH(1)
	FINISH(2)
	FINISH(3)
	VZEROUPPER
	RET
