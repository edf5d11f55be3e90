#include "textflag.h"

// Integer activations.

// The 16 values of a 4-bit float, doubled, plus 12: the unsigned operand of
// VPMADDUBSW, small enough for its 16-bit sums.
DATA fp4Offset<>+0(SB)/8, $0x181412100f0e0d0c
DATA fp4Offset<>+8(SB)/8, $0x00040608090a0b0c
GLOBL fp4Offset<>(SB), RODATA|NOPTR, $16

DATA lowNibbles<>+0(SB)/8, $0x0f0f0f0f0f0f0f0f
GLOBL lowNibbles<>(SB), RODATA|NOPTR, $8

// Takes the bytes [4 rows][2 blocks] to the top bytes of the 32-bit lanes
// [2 blocks][4 rows].
DATA scaleLanes<>+0(SB)/8, $0x0280808000808080
DATA scaleLanes<>+8(SB)/8, $0x0680808004808080
DATA scaleLanes<>+16(SB)/8, $0x0380808001808080
DATA scaleLanes<>+24(SB)/8, $0x0780808005808080
GLOBL scaleLanes<>(SB), RODATA|NOPTR, $32

// One row's 2 blocks: the 4 partial sums of each to acc. Y8 and Y9 have the
// even and odd activations.
#define ROW(w, acc) \
	VMOVDQU    w, acc            \
	VPSRLW     $4, acc, Y6       \
	VPAND      Y14, acc, acc     \
	VPAND      Y14, Y6, Y6       \
	VPSHUFB    acc, Y15, acc     \
	VPSHUFB    Y6, Y15, Y6       \
	VPMADDUBSW Y8, acc, acc      \
	VPMADDUBSW Y9, Y6, Y6        \
	VPADDW     Y6, acc, acc      \
	VPMADDWD   Y13, acc, acc

// func mxfp4Int8AVX2(dst *float32, w, s *byte, rowStep, nb, groups int, q *int8, scale *float32, corr *int32)
// groups times four rows, rowStep blocks apart, of nb blocks each (an even
// number), times one vector.
TEXT ·mxfp4Int8AVX2(SB), NOSPLIT, $0-72
	MOVQ rowStep+24(FP), R10
	LEAQ (R10)(R10*2), R11
	MOVQ R10, R8
	SHLQ $4, R8
	LEAQ (R8)(R8*2), R9

	VBROADCASTI128 fp4Offset<>(SB), Y15
	VPBROADCASTQ   lowNibbles<>(SB), Y14
	VPCMPEQW       Y13, Y13, Y13
	VPSRLW         $15, Y13, Y13

rows:
	MOVQ  w+8(FP), SI
	MOVQ  s+16(FP), DI
	MOVQ  nb+32(FP), CX
	MOVQ  q+48(FP), DX
	MOVQ  scale+56(FP), BX
	MOVQ  corr+64(FP), R12
	LEAQ  (SI)(R8*4), R13 // the next four rows
	MOVQ  R13, w+8(FP)
	VPXOR Y10, Y10, Y10   // blocks 0 and 1 of 4
	VPXOR Y11, Y11, Y11   // blocks 2 and 3

loop:
	PREFETCHT0 (R13)
	PREFETCHT0 (R13)(R8*1)
	PREFETCHT0 (R13)(R8*2)
	PREFETCHT0 (R13)(R9*1)
	VMOVDQU    (DX), Y6
	VMOVDQU    32(DX), Y7
	VPERM2I128 $0x20, Y7, Y6, Y8
	VPERM2I128 $0x31, Y7, Y6, Y9
	ROW((SI), Y0)
	ROW((SI)(R8*1), Y1)
	ROW((SI)(R8*2), Y2)
	ROW((SI)(R9*1), Y3)

	// Add up within blocks: lanes [2 blocks][4 rows].
	VPUNPCKLDQ  Y1, Y0, Y4
	VPUNPCKHDQ  Y1, Y0, Y5
	VPUNPCKLDQ  Y3, Y2, Y6
	VPUNPCKHDQ  Y3, Y2, Y7
	VPADDD      Y5, Y4, Y4
	VPADDD      Y7, Y6, Y6
	VPUNPCKLQDQ Y6, Y4, Y5
	VPUNPCKHQDQ Y6, Y4, Y7
	VPADDD      Y7, Y5, Y4

	// Take off what the 12s added: corr is for 128.
	VMOVDQU   (R12), Y5
	VPSRAD    $5, Y5, Y5
	VPADDD    Y5, Y4, Y4
	VPADDD    Y5, Y5, Y5
	VPADDD    Y5, Y4, Y4
	VCVTDQ2PS Y4, Y4

	// The products of the scales, in the same lanes.
	MOVWLZX      (DI), AX
	MOVWLZX      (DI)(R10*1), R14
	SHLL         $16, R14
	ORL          R14, AX
	MOVWLZX      (DI)(R10*2), R14
	MOVWLZX      (DI)(R11*1), R15
	SHLL         $16, R15
	ORL          R15, R14
	SHLQ         $32, R14
	ORQ          R14, AX
	VMOVQ        AX, X5
	VPBROADCASTQ X5, Y5
	VPSHUFB      scaleLanes<>(SB), Y5, Y5
	VPSRLD       $1, Y5, Y5
	MOVL         $0x00400000, AX // 2^-127, which scale 0 stands for
	VMOVD        AX, X6
	VPBROADCASTD X6, Y6
	VPMAXUD      Y6, Y5, Y5
	MOVL         $0x3f000000, AX // 0.5
	VMOVD        AX, X6
	VPBROADCASTD X6, Y6
	VMULPS       (BX), Y6, Y7
	VMULPS       Y7, Y5, Y5
	VFMADD231PS  Y5, Y4, Y10

	VMOVAPS Y10, Y4
	VMOVAPS Y11, Y10
	VMOVAPS Y4, Y11
	ADDQ    $32, SI
	ADDQ    $32, R13
	ADDQ    $2, DI
	ADDQ    $64, DX
	ADDQ    $32, BX
	ADDQ    $32, R12
	SUBQ    $2, CX
	JNZ     loop

	VADDPS       Y11, Y10, Y10
	VEXTRACTF128 $1, Y10, X1
	VADDPS       X1, X10, X0
	VXORPS       X1, X1, X1
	VADDPS       X1, X0, X0
	MOVQ         dst+0(FP), AX
	VMOVUPS      X0, (AX)
	ADDQ         $16, dst+0(FP)
	LEAQ         (R10*4), AX
	ADDQ         AX, s+16(FP)
	DECQ         groups+40(FP)
	JNZ          rows
	VZEROUPPER
	RET

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
