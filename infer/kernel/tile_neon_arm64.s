#include "textflag.h"
#include "neon_arm64.h"

// General registers: four rows, and a quarter of a tile of Q8.
#define DST 0
#define W0 1
#define N 2
#define W1 3
#define W2 4
#define W3 5
#define TMP 6

// Vectors: of four rows, 16 even elements each, then 16 odd ones.
#define A0 0
#define A1 1
#define A2 2
#define A3 3
#define B0 4
#define B1 5
#define B2 6
#define B3 7
#define T0 16
#define T1 17
#define T2 18
#define T3 19
#define VALUES 20
#define NIBBLE 21

// Stores four rows of four times 4 elements as four groups of four rows.
#define TRANSPOSE(off) \
	ZIP1S(T0, A0, A2)                  \
	ZIP2S(T2, A0, A2)                  \
	ZIP1S(T1, A1, A3)                  \
	ZIP2S(T3, A1, A3)                  \
	ZIP1S(A0, T0, T1)                  \
	ZIP2S(A1, T0, T1)                  \
	ZIP1S(A2, T2, T3)                  \
	ZIP2S(A3, T2, T3)                  \
	STRQ(A0, DST, off)                 \
	STRQ(A1, DST, (off+64))            \
	STRQ(A2, DST, (off+128))           \
	STRQ(A3, DST, (off+192))

// func mxfp4TileNEON(data *int8, blocks *byte, nb int, values *[16]int8)
// Unpacks nb blocks of 4 rows to a quarter of a tile of Q8; values are those of the
// 4-bit floats, doubled.
TEXT ·mxfp4TileNEON(SB), NOSPLIT, $0-32
	MOVD data+0(FP), R(DST)
	MOVD blocks+8(FP), R(W0)
	MOVD nb+16(FP), R(N)
	MOVD values+24(FP), R(TMP)
	LDRQ(VALUES, TMP, 0)
	NIBBLES(NIBBLE)
	LSL  $4, R(N), R(TMP) // bytes of a row
	ADD  R(TMP), R(W0), R(W1)
	ADD  R(TMP), R(W1), R(W2)
	ADD  R(TMP), R(W2), R(W3)

loop:
	LDRQP(B0, W0, 16)
	LDRQP(B1, W1, 16)
	LDRQP(B2, W2, 16)
	LDRQP(B3, W3, 16)
	AND16B(A0, B0, NIBBLE)
	AND16B(A1, B1, NIBBLE)
	AND16B(A2, B2, NIBBLE)
	AND16B(A3, B3, NIBBLE)
	TBL16B(A0, VALUES, A0)
	TBL16B(A1, VALUES, A1)
	TBL16B(A2, VALUES, A2)
	TBL16B(A3, VALUES, A3)
	TRANSPOSE(0)
	USHR16B(A0, B0, 4)
	USHR16B(A1, B1, 4)
	USHR16B(A2, B2, 4)
	USHR16B(A3, B3, 4)
	TBL16B(A0, VALUES, A0)
	TBL16B(A1, VALUES, A1)
	TBL16B(A2, VALUES, A2)
	TBL16B(A3, VALUES, A3)
	TRANSPOSE(256)
	ADD  $512, R(DST)
	SUBS $1, R(N)
	BNE  loop
	RET
