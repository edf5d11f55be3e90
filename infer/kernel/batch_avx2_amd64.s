#include "textflag.h"

// Batches of integers.

// Vector t's products of 4 columns of 8 rows: q has the vector's 4 integers, Y12
// the weights and Y13 their magnitudes.
#define PRODUCTS(q) \
	VPBROADCASTD q, Y14           \
	VPSIGNB      Y12, Y14, Y14    \
	VPMADDUBSW   Y14, Y13, Y14

// Adds products to dot as 32-bit sums, or as 16-bit sums where weights are small.
#define ADD32(dot) \
	VPMADDWD Y15, Y14, Y14  \
	VPADDD   Y14, dot, dot
#define ADD16(dot) \
	VPADDW   Y14, dot, dot

// Makes the sums of a block 32-bit sums.
#define WIDEN32(dot)
#define WIDEN16(dot) \
	VPMADDWD Y15, dot, dot

#define GROUP(ADD, k) \
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
#define SCALE(WIDEN, i, dot, acc) \
	WIDEN(dot)                         \
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

// 8 rows of a tile times 4 vectors. The blocks are visited in four passes, one
// for each accumulator of the order of operations.
#define BATCH(ADD, WIDEN) \
	MOVQ     qStep+48(FP), R9    \
	LEAQ     (R9)(R9*2), R10     \
	VPCMPEQW Y15, Y15, Y15       \
	VPSRLW   $15, Y15, Y15       \
	LEAQ     acc-512(SP), DI     \
	XORQ     R15, R15            \ // the pass
pass: \
	MOVQ  data+16(FP), SI        \
	MOVQ  scales+24(FP), R8      \
	MOVQ  nb+32(FP), CX          \
	MOVQ  q+40(FP), DX           \
	MOVQ  scale+56(FP), BX       \
	MOVQ  step+64(FP), AX        \
	MOVQ  R15, R14               \
	IMULQ AX, R14                \
	ADDQ  R14, BX                \
	MOVQ  R15, R14               \
	SHLQ  $5, R14                \
	ADDQ  R14, R8                \
	ADDQ  R14, DX                \
	SHLQ  $4, R14                \
	ADDQ  R14, SI                \
	SHLQ  $2, AX                 \
	SUBQ  R15, CX                \
	VXORPS Y4, Y4, Y4            \
	VXORPS Y5, Y5, Y5            \
	VXORPS Y6, Y6, Y6            \
	VXORPS Y7, Y7, Y7            \
	CMPQ  CX, $0                 \
	JLE   next                   \
loop: \
	VPXOR     Y0, Y0, Y0         \
	VPXOR     Y1, Y1, Y1         \
	VPXOR     Y2, Y2, Y2         \
	VPXOR     Y3, Y3, Y3         \
	GROUP(ADD, 0)                \
	GROUP(ADD, 1)                \
	GROUP(ADD, 2)                \
	GROUP(ADD, 3)                \
	GROUP(ADD, 4)                \
	GROUP(ADD, 5)                \
	GROUP(ADD, 6)                \
	GROUP(ADD, 7)                \
	VPMOVZXWD (R8), Y13          \
	VPSLLD    $16, Y13, Y13      \
	SCALE(WIDEN, 0, Y0, Y4)      \
	SCALE(WIDEN, 1, Y1, Y5)      \
	SCALE(WIDEN, 2, Y2, Y6)      \
	SCALE(WIDEN, 3, Y3, Y7)      \
	ADDQ      $2048, SI          \
	ADDQ      $128, R8           \
	SUBQ      $-128, DX          \
	ADDQ      AX, BX             \
	SUBQ      $4, CX             \
	JG        loop               \
next: \
	VMOVUPS Y4, (DI)             \
	VMOVUPS Y5, 32(DI)           \
	VMOVUPS Y6, 64(DI)           \
	VMOVUPS Y7, 96(DI)           \
	SUBQ    $-128, DI            \
	INCQ    R15                  \
	CMPQ    R15, $4              \
	JLT     pass                 \
	SUBQ    $512, DI             \
	VXORPS  Y2, Y2, Y2           \
	MOVQ    dst+0(FP), DX        \
	MOVQ    stride+8(FP), R8     \
	FINISH(0)                    \
	FINISH(1)                    \
	FINISH(2)                    \
	FINISH(3)                    \
	VZEROUPPER                   \
	RET

// func q8BatchAVX2(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, step int)
// stride, qStep and step are in bytes.
TEXT ·q8BatchAVX2(SB), 0, $512-72
	BATCH(ADD32, WIDEN32)

// func q8BatchSmallAVX2(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, step int)
// For weights of at most 12, of which the sums of a block fit 16 bits.
TEXT ·q8BatchSmallAVX2(SB), 0, $512-72
	BATCH(ADD16, WIDEN16)

// The 16 values of a 4-bit float, doubled.
DATA fp4Doubled<>+0(SB)/8, $0x0c08060403020100
DATA fp4Doubled<>+8(SB)/8, $0xf4f8fafcfdfeff00
GLOBL fp4Doubled<>(SB), RODATA|NOPTR, $16

DATA lowNibbles<>+0(SB)/8, $0x0f0f0f0f0f0f0f0f
GLOBL lowNibbles<>(SB), RODATA|NOPTR, $8

// One row's block at w: 16 even and 16 odd elements to y, the lower half of
// which is x.
#define DECODE(w, x, y) \
	VMOVDQU     w, x               \
	VPSRLW      $4, x, X12         \
	VINSERTI128 $1, X12, y, y      \
	VPAND       Y14, y, y          \
	VPSHUFB     y, Y15, y

// func mxfp4TileAVX2(data *int8, blocks *byte, nb int)
// Unpacks nb blocks of 8 rows to half a tile of Q8.
TEXT ·mxfp4TileAVX2(SB), NOSPLIT, $0-24
	MOVQ data+0(FP), DI
	MOVQ blocks+8(FP), SI
	MOVQ nb+16(FP), CX
	MOVQ CX, R8
	SHLQ $4, R8            // bytes of a row
	LEAQ (R8)(R8*2), R9
	LEAQ (SI)(R8*4), R10

loop:
	VBROADCASTI128 fp4Doubled<>(SB), Y15
	VPBROADCASTQ   lowNibbles<>(SB), Y14
	DECODE((SI), X0, Y0)
	DECODE((SI)(R8*1), X1, Y1)
	DECODE((SI)(R8*2), X2, Y2)
	DECODE((SI)(R9*1), X3, Y3)
	DECODE((R10), X4, Y4)
	DECODE((R10)(R8*1), X5, Y5)
	DECODE((R10)(R8*2), X6, Y6)
	DECODE((R10)(R9*1), X7, Y7)

	// Transpose 8 rows of 8 times 4 elements.
	VPUNPCKLDQ  Y1, Y0, Y8
	VPUNPCKHDQ  Y1, Y0, Y9
	VPUNPCKLDQ  Y3, Y2, Y10
	VPUNPCKHDQ  Y3, Y2, Y11
	VPUNPCKLDQ  Y5, Y4, Y12
	VPUNPCKHDQ  Y5, Y4, Y13
	VPUNPCKLDQ  Y7, Y6, Y14
	VPUNPCKHDQ  Y7, Y6, Y15
	VPUNPCKLQDQ Y10, Y8, Y0
	VPUNPCKHQDQ Y10, Y8, Y1
	VPUNPCKLQDQ Y11, Y9, Y2
	VPUNPCKHQDQ Y11, Y9, Y3
	VPUNPCKLQDQ Y14, Y12, Y4
	VPUNPCKHQDQ Y14, Y12, Y5
	VPUNPCKLQDQ Y15, Y13, Y6
	VPUNPCKHQDQ Y15, Y13, Y7
	VPERM2I128  $0x20, Y4, Y0, Y8
	VPERM2I128  $0x20, Y5, Y1, Y9
	VPERM2I128  $0x20, Y6, Y2, Y10
	VPERM2I128  $0x20, Y7, Y3, Y11
	VPERM2I128  $0x31, Y4, Y0, Y12
	VPERM2I128  $0x31, Y5, Y1, Y13
	VPERM2I128  $0x31, Y6, Y2, Y14
	VPERM2I128  $0x31, Y7, Y3, Y15
	VMOVDQU     Y8, (DI)
	VMOVDQU     Y9, 64(DI)
	VMOVDQU     Y10, 128(DI)
	VMOVDQU     Y11, 192(DI)
	VMOVDQU     Y12, 256(DI)
	VMOVDQU     Y13, 320(DI)
	VMOVDQU     Y14, 384(DI)
	VMOVDQU     Y15, 448(DI)
	ADDQ        $512, DI
	ADDQ        $16, SI
	ADDQ        $16, R10
	DECQ        CX
	JNZ         loop
	VZEROUPPER
	RET
