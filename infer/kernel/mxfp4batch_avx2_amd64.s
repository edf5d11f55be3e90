#include "textflag.h"

// Batches of integers by MXFP4: a tile of 16 rows times 4 vectors.
//
// Weights are unsigned in the tile: the doubled value plus 12, 0 to 24. VPMADDUBSW
// multiplies them by the integers of a vector and adds up pairs, which 16 bits hold.
// Each 16-bit lane then takes in 8 pairs by plain additions, which may wrap. It began
// with -12 times the sum of its integers (int8Rows.lanes), so that what it ends with is
// the sum of 16 products with weights of at most 12: 16 bits hold it, and it is exact
// whatever wrapped on the way. So 32 products cost two instructions, VPMADDUBSW and
// VPADDW, beside a broadcast that both halves of the tile share.
//
// Registers: Y0 to Y3 have the lanes of rows 0 to 7 for the four vectors, Y4 to Y7 those
// of rows 8 to 15; Y8 and Y9 weights, then their scales; Y10 what is broadcast; Y11 and
// Y12 products; Y15 ones. The 4 x 4 x 16 accumulators of the order of operations are on
// the stack: each is needed once in four blocks, and the registers once in each.
// A block is 144 vector instructions and 42 loads for 2048 products.

// The products of 4 columns of all rows and one vector.
#define PRODUCTS(q, low, high) \
	VPBROADCASTD q, Y10         \
	VPMADDUBSW   Y10, Y8, Y11   \
	VPMADDUBSW   Y10, Y9, Y12   \
	VPADDW       Y11, low, low  \
	VPADDW       Y12, high, high

#define GROUP(k) \
	VMOVDQU k*64(SI), Y8                    \
	VMOVDQU k*64+32(SI), Y9                 \
	PRODUCTS(k*4(DX), Y0, Y4)               \
	PRODUCTS(k*4(DX)(R9*1), Y1, Y5)         \
	PRODUCTS(k*4(DX)(R9*2), Y2, Y6)         \
	PRODUCTS(k*4(DX)(R10*1), Y3, Y7)

#define BEGIN(i, low, high) \
	VPBROADCASTD i*4(R13), low  \
	VMOVDQA      low, high

// Vector i's block: acc += products * weight scales * activation scale.
#define SCALE(i, low, high) \
	VBROADCASTSS i*4(BX), Y10               \
	VPMADDWD     Y15, low, low              \
	VPMADDWD     Y15, high, high            \
	VMULPS       Y10, Y8, Y11               \
	VMULPS       Y10, Y9, Y12               \
	VCVTDQ2PS    low, low                   \
	VCVTDQ2PS    high, high                 \
	VFMADD213PS  i*64(DI)(R15*1), Y11, low  \
	VFMADD213PS  i*64+32(DI)(R15*1), Y12, high \
	VMOVUPS      low, i*64(DI)(R15*1)       \
	VMOVUPS      high, i*64+32(DI)(R15*1)

// Adds up the four accumulators of 8 rows and stores the result.
#define FINISH(at, dst) \
	VMOVUPS at(DI), Y0          \
	VADDPS  512+at(DI), Y0, Y0  \
	VMOVUPS 256+at(DI), Y1      \
	VADDPS  768+at(DI), Y1, Y1  \
	VADDPS  Y1, Y0, Y0          \
	VADDPS  Y2, Y0, Y0          \
	VMOVUPS Y0, dst(DX)

// func mxfp4BatchAVX2(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, lanes *uint32, step int)
// stride, qStep and step are in bytes.
TEXT ·mxfp4BatchAVX2(SB), 0, $1056-80
	MOVQ     data+16(FP), SI
	MOVQ     scales+24(FP), R8
	MOVQ     nb+32(FP), CX
	MOVQ     q+40(FP), DX
	MOVQ     qStep+48(FP), R9
	MOVQ     scale+56(FP), BX
	MOVQ     lanes+64(FP), R13
	MOVQ     step+72(FP), AX
	LEAQ     (R9)(R9*2), R10
	LEAQ     acc-1056(SP), DI
	ADDQ     $31, DI
	ANDQ     $~31, DI         // [4 accumulators][4 vectors][16 rows]
	XORQ     R15, R15         // the accumulator's place
	VPCMPEQW Y15, Y15, Y15
	VPSRLW   $15, Y15, Y15
	VPXOR    Y0, Y0, Y0
	MOVQ     $1024, R14

clear:
	VMOVUPS Y0, -32(DI)(R14*1)
	SUBQ    $32, R14
	JNZ     clear

loop:
	BEGIN(0, Y0, Y4)
	BEGIN(1, Y1, Y5)
	BEGIN(2, Y2, Y6)
	BEGIN(3, Y3, Y7)
	GROUP(0)
	GROUP(1)
	GROUP(2)
	GROUP(3)
	GROUP(4)
	GROUP(5)
	GROUP(6)
	GROUP(7)
	VPMOVZXWD (R8), Y8
	VPMOVZXWD 16(R8), Y9
	VPSLLD    $16, Y8, Y8
	VPSLLD    $16, Y9, Y9
	SCALE(0, Y0, Y4)
	SCALE(1, Y1, Y5)
	SCALE(2, Y2, Y6)
	SCALE(3, Y3, Y7)
	ADDQ      $512, SI
	ADDQ      $32, R8
	ADDQ      $32, DX
	ADDQ      AX, BX
	ADDQ      AX, R13
	ADDQ      $256, R15
	ANDQ      $1023, R15
	DECQ      CX
	JNZ       loop

	VXORPS Y2, Y2, Y2
	MOVQ   dst+0(FP), DX
	MOVQ   stride+8(FP), R8
	FINISH(0, 0)
	FINISH(32, 32)
	ADDQ   R8, DX
	FINISH(64, 0)
	FINISH(96, 32)
	ADDQ   R8, DX
	FINISH(128, 0)
	FINISH(160, 32)
	ADDQ   R8, DX
	FINISH(192, 0)
	FINISH(224, 32)
	VZEROUPPER
	RET

// The 16 values of a 4-bit float, doubled, plus 12.
DATA fp4Offset<>+0(SB)/8, $0x181412100f0e0d0c
DATA fp4Offset<>+8(SB)/8, $0x00040608090a0b0c
GLOBL fp4Offset<>(SB), RODATA|NOPTR, $16

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
	VBROADCASTI128 fp4Offset<>(SB), Y15
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
