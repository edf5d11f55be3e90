#include "textflag.h"
#include "neon_arm64.h"
#include "batch_arm64.h"

// Batches of integers by products of matrices: 8 rows of a tile times 8 vectors.

// Vectors: 4p+v has the sums of pair p of rows and pair v of vectors, by lanes
// [2 rows][2 vectors]. 16 to 19 have 8 columns of the pairs of vectors, 20 to 23 the
// next 8, and P0 to P3 8 columns of the pairs of rows.
#define SIZE 256
#define T0 24
#define T1 25
#define T2 26
#define T3 27
#define P0 28
#define P1 29
#define P2 30
#define P3 31

// 16 columns of two vectors: the first 8 of both to lo, the others to hi.
#define VECTORS(q0, q1, lo, hi) \
	LDRQP(T0, q0, 16)        \
	LDRQP(T1, q1, 16)        \
	ZIP1D(lo, T0, T1)        \
	ZIP2D(hi, T0, T1)

// 8 columns: those of the tile off bytes after W, those of the vectors from x on.
#define COLUMNS(off, x) \
	LDPQ(T0, T1, W, off)     \
	LDPQ(T2, T3, W, (off+64)) \
	ZIP1S(P0, T0, T2)        \
	ZIP2S(P1, T0, T2)        \
	ZIP1S(P2, T1, T3)        \
	ZIP2S(P3, T1, T3)        \
	SMMLA4S(0, P0, x)        \
	SMMLA4S(1, P0, x+1)      \
	SMMLA4S(2, P0, x+2)      \
	SMMLA4S(3, P0, x+3)      \
	SMMLA4S(4, P1, x)        \
	SMMLA4S(5, P1, x+1)      \
	SMMLA4S(6, P1, x+2)      \
	SMMLA4S(7, P1, x+3)      \
	SMMLA4S(8, P2, x)        \
	SMMLA4S(9, P2, x+1)      \
	SMMLA4S(10, P2, x+2)     \
	SMMLA4S(11, P2, x+3)     \
	SMMLA4S(12, P3, x)       \
	SMMLA4S(13, P3, x+1)     \
	SMMLA4S(14, P3, x+2)     \
	SMMLA4S(15, P3, x+3)

#define HALFBLOCK(off) \
	VECTORS(Q0, Q1, 16, 20)  \
	VECTORS(Q2, Q3, 17, 21)  \
	VECTORS(Q4, Q5, 18, 22)  \
	VECTORS(Q6, Q7, 19, 23)  \
	COLUMNS(off, 16)         \
	COLUMNS((off+128), 20)

// Vectors: 16 to 19 have the scales of the pairs of rows, each twice, 20 to 23 those
// of the pairs of vectors, twice. Two of the sums:
#define SCALED(d, off, ws, xs) \
	FMUL4S(T0, ws, xs)       \
	FMUL4S(T1, ws, xs+1)     \
	ACCUMULATE(off, d, d+1, T0, T1, T2, T3)

#define SCALES8 \
	LDRQ(T1, SCALES, 0)      \
	SHLL4S(T0, T1)           \
	SHLL24S(T1, T1)          \
	ZIP1S(16, T0, T0)        \
	ZIP2S(17, T0, T0)        \
	ZIP1S(18, T1, T1)        \
	ZIP2S(19, T1, T1)        \
	LDPQ(T0, T1, SCALE, 0)   \
	DUP2D(20, T0, 0)         \
	DUP2D(21, T0, 1)         \
	DUP2D(22, T1, 0)         \
	DUP2D(23, T1, 1)

// Two pairs of vectors: their 8 rows' totals, which are off bytes into accumulators.
#define RESULT(off) \
	TOTAL(SIZE, off, 0, 1)         \
	TOTAL(SIZE, (off+64), 2, 3)    \
	TOTAL(SIZE, (off+128), 4, 5)   \
	TOTAL(SIZE, (off+192), 6, 7)   \
	UZP1S(8, 0, 2)                 \
	UZP1S(9, 4, 6)                 \
	STORE(8, 9)                    \
	UZP2S(8, 0, 2)                 \
	UZP2S(9, 4, 6)                 \
	STORE(8, 9)                    \
	UZP1S(8, 1, 3)                 \
	UZP1S(9, 5, 7)                 \
	STORE(8, 9)                    \
	UZP2S(8, 1, 3)                 \
	UZP2S(9, 5, 7)                 \
	STORE(8, 9)

// func q8BatchI8MM(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, step int)
// stride, qStep and step are in bytes.
TEXT ·q8BatchI8MM(SB), 0, $1024-72
	MOVD $sums-1024(SP), R(FIRST)
	START8
	ZEROSUMS(SIZE)

loop:
	ZERO16
	HALFBLOCK(0)
	HALFBLOCK(256)
	SCALES8
	SCALED(0, 0, 16, 20)
	SCALED(2, 32, 16, 22)
	SCALED(4, 64, 17, 20)
	SCALED(6, 96, 17, 22)
	SCALED(8, 128, 18, 20)
	SCALED(10, 160, 18, 22)
	SCALED(12, 192, 19, 20)
	SCALED(14, 224, 19, 22)
	NEXT(SIZE)

	STARTSTORE
	RESULT(0)
	RESULT(32)
	RET
