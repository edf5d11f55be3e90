#include "textflag.h"

// Adds 4 columns of 16 rows. Flipping the top bit adds 128, which makes the
// weights the unsigned operand; the sum starts at what that adds in all.
#define GROUP(k) \
	VPXORD        k*64(SI), Z31, Z6 \
	VPDPBUSD.BCST k*4(DX), Z6, Z4

// One block of the tile: acc += products * weight scales * activation scale. What is
// asked for is the distance of a page ahead: on pages of 4 KiB, where the processor's own
// prefetching ends with each, a thread reads up to a fifth more for it.
#define BLOCK(acc) \
	VPBROADCASTD (R12), Z4       \
	PREFETCHT1   4096(SI)        \
	PREFETCHT1   4160(SI)        \
	PREFETCHT1   4224(SI)        \
	PREFETCHT1   4288(SI)        \
	PREFETCHT1   4352(SI)        \
	PREFETCHT1   4416(SI)        \
	PREFETCHT1   4480(SI)        \
	PREFETCHT1   4544(SI)        \
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
	ADDQ         R9, BX          \
	ADDQ         R9, R12         \
	DECQ         CX              \
	JZ           done

// func q8VecAVX512(dst *[16]float32, data *int8, scales *uint16, nb int, q *int8, scale *float32, corr *int32, step int)
// step is the number of bytes from a block's scale and corr to the next one's.
TEXT ·q8VecAVX512(SB), NOSPLIT, $0-64
	MOVQ data+8(FP), SI
	MOVQ scales+16(FP), R8
	MOVQ nb+24(FP), CX
	MOVQ q+32(FP), DX
	MOVQ scale+40(FP), BX
	MOVQ corr+48(FP), R12
	MOVQ step+56(FP), R9

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

// Adds 4 columns of 16 rows for 8 vectors, and asks for what is in their place in the
// next tile: the passes leave gaps that the processor does not foresee.
#define GROUP8(k) \
	PREFETCHT1    k*64(SI)(R14*1)            \
	VPXORD        k*64(SI), Z31, Z16         \
	VPDPBUSD.BCST k*4(DX), Z16, Z0           \
	VPDPBUSD.BCST k*4(DX)(R9*1), Z16, Z1     \
	VPDPBUSD.BCST k*4(DX)(R9*2), Z16, Z2     \
	VPDPBUSD.BCST k*4(DX)(R10*1), Z16, Z3    \
	VPDPBUSD.BCST k*4(DX)(R9*4), Z16, Z4     \
	VPDPBUSD.BCST k*4(DX)(R11*1), Z16, Z5    \
	VPDPBUSD.BCST k*4(DX)(R10*2), Z16, Z6    \
	VPDPBUSD.BCST k*4(DX)(R12*1), Z16, Z7

// Vector i's block: acc += products * weight scales * activation scale.
#define SCALE(i, dot, acc) \
	VCVTDQ2PS   dot, dot           \
	VMULPS.BCST i*4(BX), Z17, Z18  \
	VFMADD231PS Z18, dot, acc

#define STORE(i, a) VMOVUPS a, i*64(DI)

// Adds up the four passes of vector i and stores the result.
#define FINISH(i) \
	VMOVUPS i*64(DI), Z0           \
	VADDPS  1024+i*64(DI), Z0, Z0  \
	VMOVUPS 512+i*64(DI), Z1       \
	VADDPS  1536+i*64(DI), Z1, Z1  \
	VADDPS  Z1, Z0, Z0             \
	VADDPS  Z19, Z0, Z0            \
	VMOVUPS Z0, (DX)               \
	ADDQ    R8, DX

// func q8BatchAVX512(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, corr *int32, step int)
// A tile times 8 vectors. stride, qStep and step are in bytes. The blocks are
// visited in four passes, one for each accumulator of the order of operations.
TEXT ·q8BatchAVX512(SB), 0, $2048-80
	MOVQ         qStep+48(FP), R9
	LEAQ         (R9)(R9*2), R10
	LEAQ         (R9)(R9*4), R11
	LEAQ         (R10)(R9*4), R12
	MOVL         $0x80808080, AX
	VPBROADCASTD AX, Z31
	LEAQ         acc-2048(SP), DI
	XORQ         R15, R15 // the pass

pass:
	MOVQ  data+16(FP), SI
	MOVQ  scales+24(FP), R8
	MOVQ  nb+32(FP), CX
	MOVQ  q+40(FP), DX
	MOVQ  scale+56(FP), BX
	MOVQ  corr+64(FP), R13
	MOVQ  step+72(FP), AX
	MOVQ  R15, R14
	IMULQ AX, R14
	ADDQ  R14, BX
	ADDQ  R14, R13
	MOVQ  R15, R14
	SHLQ  $5, R14
	ADDQ  R14, R8
	ADDQ  R14, DX
	SHLQ  $4, R14
	ADDQ  R14, SI
	SHLQ  $2, AX
	MOVQ  CX, R14
	SHLQ  $9, R14 // bytes of a tile
	SUBQ  R15, CX

	VPXORD Z8, Z8, Z8
	VPXORD Z9, Z9, Z9
	VPXORD Z10, Z10, Z10
	VPXORD Z11, Z11, Z11
	VPXORD Z12, Z12, Z12
	VPXORD Z13, Z13, Z13
	VPXORD Z14, Z14, Z14
	VPXORD Z15, Z15, Z15
	CMPQ   CX, $0
	JLE    next

loop:
	VPBROADCASTD (R13), Z0
	VPBROADCASTD 4(R13), Z1
	VPBROADCASTD 8(R13), Z2
	VPBROADCASTD 12(R13), Z3
	VPBROADCASTD 16(R13), Z4
	VPBROADCASTD 20(R13), Z5
	VPBROADCASTD 24(R13), Z6
	VPBROADCASTD 28(R13), Z7
	GROUP8(0)
	GROUP8(1)
	GROUP8(2)
	GROUP8(3)
	GROUP8(4)
	GROUP8(5)
	GROUP8(6)
	GROUP8(7)
	VPMOVZXWD    (R8), Z17
	VPSLLD       $16, Z17, Z17
	SCALE(0, Z0, Z8)
	SCALE(1, Z1, Z9)
	SCALE(2, Z2, Z10)
	SCALE(3, Z3, Z11)
	SCALE(4, Z4, Z12)
	SCALE(5, Z5, Z13)
	SCALE(6, Z6, Z14)
	SCALE(7, Z7, Z15)
	ADDQ         $2048, SI
	ADDQ         $128, R8
	SUBQ         $-128, DX
	ADDQ         AX, BX
	ADDQ         AX, R13
	SUBQ         $4, CX
	JG           loop

next:
	STORE(0, Z8)
	STORE(1, Z9)
	STORE(2, Z10)
	STORE(3, Z11)
	STORE(4, Z12)
	STORE(5, Z13)
	STORE(6, Z14)
	STORE(7, Z15)
	ADDQ $512, DI
	INCQ R15
	CMPQ R15, $4
	JLT  pass

	SUBQ   $2048, DI
	VPXORD Z19, Z19, Z19
	MOVQ   dst+0(FP), DX
	MOVQ   stride+8(FP), R8
	FINISH(0)
	FINISH(1)
	FINISH(2)
	FINISH(3)
	FINISH(4)
	FINISH(5)
	FINISH(6)
	FINISH(7)
	VZEROUPPER
	RET
