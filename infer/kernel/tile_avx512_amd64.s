#include "textflag.h"

// The 16 values of a 4-bit float, doubled, four times over (see VPERMB in
// mxfp4_avx512_amd64.s).
DATA fp4Doubled<>+0(SB)/8, $0x0c08060403020100
DATA fp4Doubled<>+8(SB)/8, $0xf4f8fafcfdfeff00
DATA fp4Doubled<>+16(SB)/8, $0x0c08060403020100
DATA fp4Doubled<>+24(SB)/8, $0xf4f8fafcfdfeff00
DATA fp4Doubled<>+32(SB)/8, $0x0c08060403020100
DATA fp4Doubled<>+40(SB)/8, $0xf4f8fafcfdfeff00
DATA fp4Doubled<>+48(SB)/8, $0x0c08060403020100
DATA fp4Doubled<>+56(SB)/8, $0xf4f8fafcfdfeff00
GLOBL fp4Doubled<>(SB), RODATA|NOPTR, $64

// Replaces a and b by what op1 and op2 make of them. Z16 is lost.
#define PAIR(op1, op2, a, b) \
	op2       b, a, Z16 \
	op1       b, a, a   \
	VMOVDQA64 Z16, b

#define SHUFFLE(imm1, imm2, a, b) \
	VSHUFI32X4 $imm2, b, a, Z16 \
	VSHUFI32X4 $imm1, b, a, a   \
	VMOVDQA64  Z16, b

// Four rows, lanes [4 blocks][4 dwords] each, to four dwords, lanes
// [4 blocks][4 rows] each. The dwords come in the order a c b d.
#define ROWS(a, b, c, d) \
	PAIR(VPUNPCKLDQ, VPUNPCKHDQ, a, b)   \
	PAIR(VPUNPCKLDQ, VPUNPCKHDQ, c, d)   \
	PAIR(VPUNPCKLQDQ, VPUNPCKHQDQ, a, c) \
	PAIR(VPUNPCKLQDQ, VPUNPCKHQDQ, b, d)

// The 16 bytes of 16 rows at offset at to dst: two values of each.
#define DECODE(z, dst) \
	VPSRLW    $4, z, Z16           \
	VPERMB    Z31, z, z            \
	VPERMB    Z31, Z16, Z16        \
	VMOVDQU64 z, dst(DI)           \
	VMOVDQU64 Z16, dst+256(DI)

// One dword of each of 4 blocks of 16 rows, in groups of 4 rows a, b, c, d, to
// its place in each block of the tile.
#define DWORD(k, a, b, c, d) \
	SHUFFLE(0x44, 0xee, a, b)  \
	SHUFFLE(0x44, 0xee, c, d)  \
	SHUFFLE(0x88, 0xdd, a, c)  \
	SHUFFLE(0x88, 0xdd, b, d)  \
	DECODE(a, k*64)            \
	DECODE(c, k*64+512)        \
	DECODE(b, k*64+1024)       \
	DECODE(d, k*64+1536)

// Loads 4 rows, and asks for those 16 rows on, which are unpacked next.
#define LOAD4(base, next, a, b, c, d) \
	VMOVDQU32.Z (base), K1, a        \
	VMOVDQU32.Z (base)(R8*1), K1, b  \
	VMOVDQU32.Z (base)(R8*2), K1, c  \
	VMOVDQU32.Z (base)(R9*1), K1, d  \
	PREFETCHT1  (next)               \
	PREFETCHT1  (next)(R8*1)         \
	PREFETCHT1  (next)(R8*2)         \
	PREFETCHT1  (next)(R9*1)         \
	ADDQ        $64, base            \
	ADDQ        $64, next

// func mxfp4TileAVX512(data *int8, blocks *byte, nb, groups int, mask uint16)
// Unpacks groups times 4 blocks of 16 rows, rows being nb blocks apart, to a
// tile of Q8. mask has a bit for each dword of a row to read.
TEXT ·mxfp4TileAVX512(SB), NOSPLIT, $0-34
	MOVQ      data+0(FP), DI
	MOVQ      blocks+8(FP), SI
	MOVQ      nb+16(FP), R8
	MOVQ      groups+24(FP), CX
	MOVWLZX   mask+32(FP), AX
	KMOVW     AX, K1
	SHLQ      $4, R8
	LEAQ      (R8)(R8*2), R9
	LEAQ      (SI)(R8*4), R10
	LEAQ      (R10)(R8*4), R11
	LEAQ      (R11)(R8*4), R12
	LEAQ      (R12)(R8*4), DX
	LEAQ      (DX)(R8*4), BX
	LEAQ      (BX)(R8*4), R13
	LEAQ      (R13)(R8*4), R14
	VMOVDQU64 fp4Doubled<>(SB), Z31

loop:
	LOAD4(SI, DX, Z0, Z1, Z2, Z3)
	LOAD4(R10, BX, Z4, Z5, Z6, Z7)
	LOAD4(R11, R13, Z8, Z9, Z10, Z11)
	LOAD4(R12, R14, Z12, Z13, Z14, Z15)
	ROWS(Z0, Z1, Z2, Z3)
	ROWS(Z4, Z5, Z6, Z7)
	ROWS(Z8, Z9, Z10, Z11)
	ROWS(Z12, Z13, Z14, Z15)
	DWORD(0, Z0, Z4, Z8, Z12)
	DWORD(1, Z2, Z6, Z10, Z14)
	DWORD(2, Z1, Z5, Z9, Z13)
	DWORD(3, Z3, Z7, Z11, Z15)
	ADDQ $2048, DI
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

DATA iota<>+0(SB)/8, $0x0000000100000000
DATA iota<>+8(SB)/8, $0x0000000300000002
DATA iota<>+16(SB)/8, $0x0000000500000004
DATA iota<>+24(SB)/8, $0x0000000700000006
DATA iota<>+32(SB)/8, $0x0000000900000008
DATA iota<>+40(SB)/8, $0x0000000b0000000a
DATA iota<>+48(SB)/8, $0x0000000d0000000c
DATA iota<>+56(SB)/8, $0x0000000f0000000e
GLOBL iota<>(SB), RODATA|NOPTR, $64

// The scales of 16 rows in the byte at bit shift of Z0 to dst.
#define SCALE(shift, dst) \
	VPSRLD  $shift, Z0, Z1 \
	VPANDD  Z30, Z1, Z1    \
	VPSLLD  $23, Z1, Z1    \
	VPMAXUD Z29, Z1, Z1    \
	VMULPS  Z28, Z1, Z1    \
	VPSRLD  $16, Z1, Z1    \
	VPMOVDW Z1, dst

// func scaleTileAVX512(dst *uint16, scales *byte, nb, groups int)
// Sets dst [groups*4][16] to half the scales of 16 rows, which are nb apart, as
// bfloat16.
TEXT ·scaleTileAVX512(SB), NOSPLIT, $0-32
	MOVQ         dst+0(FP), DI
	MOVQ         scales+8(FP), SI
	MOVQ         nb+16(FP), AX
	MOVQ         groups+24(FP), CX
	VPBROADCASTD AX, Z31
	VPMULLD      iota<>(SB), Z31, Z31 // where rows begin
	MOVL         $0xff, AX
	VPBROADCASTD AX, Z30
	MOVL         $0x00400000, AX      // 2^-127, which scale 0 stands for
	VPBROADCASTD AX, Z29
	MOVL         $0x3f000000, AX      // 0.5
	VPBROADCASTD AX, Z28

loop:
	KXNORW     K1, K1, K1
	VPGATHERDD (SI)(Z31*1), K1, Z0
	SCALE(0, (DI))
	SCALE(8, 32(DI))
	SCALE(16, 64(DI))
	SCALE(24, 96(DI))
	ADDQ       $4, SI
	SUBQ       $-128, DI
	DECQ       CX
	JNZ        loop
	VZEROUPPER
	RET
