#include "textflag.h"
#include "neon_arm64.h"
#include "batch_arm64.h"

// Batches of integers by dot products: 8 rows of a tile times 8 vectors.

// Vectors: 0 to 7 have the sums of 4 rows and a vector each, 8 to 15 those of the
// other 4 rows, 16 to 23 half a block of the vectors; and 4 columns of 8 rows.
#define SIZE 256
#define W0 24
#define W1 25

#define GROUP(off, i) \
	LDPQ(W0, W1, W, off)     \
	SDOT4SE(0, W0, 16, i)    \
	SDOT4SE(1, W0, 17, i)    \
	SDOT4SE(2, W0, 18, i)    \
	SDOT4SE(3, W0, 19, i)    \
	SDOT4SE(4, W0, 20, i)    \
	SDOT4SE(5, W0, 21, i)    \
	SDOT4SE(6, W0, 22, i)    \
	SDOT4SE(7, W0, 23, i)    \
	SDOT4SE(8, W1, 16, i)    \
	SDOT4SE(9, W1, 17, i)    \
	SDOT4SE(10, W1, 18, i)   \
	SDOT4SE(11, W1, 19, i)   \
	SDOT4SE(12, W1, 20, i)   \
	SDOT4SE(13, W1, 21, i)   \
	SDOT4SE(14, W1, 22, i)   \
	SDOT4SE(15, W1, 23, i)

#define HALFBLOCK(off) \
	LDRQP(16, Q0, 16)        \
	LDRQP(17, Q1, 16)        \
	LDRQP(18, Q2, 16)        \
	LDRQP(19, Q3, 16)        \
	LDRQP(20, Q4, 16)        \
	LDRQP(21, Q5, 16)        \
	LDRQP(22, Q6, 16)        \
	LDRQP(23, Q7, 16)        \
	GROUP(off, 0)            \
	GROUP((off+64), 1)       \
	GROUP((off+128), 2)      \
	GROUP((off+192), 3)

// Vectors: the scales of 8 weights and of 8 vectors.
#define WS0 24
#define WS1 25
#define XS0 26
#define XS1 27
#define T0 16
#define T1 17
#define T2 18
#define T3 19
#define SCALED(d, off, xs, i) \
	FMUL4SE(T0, WS0, xs, i)  \
	FMUL4SE(T1, WS1, xs, i)  \
	ACCUMULATE(off, d, d+8, T0, T1, T2, T3)

#define RESULT(off) \
	TOTAL(SIZE, off, 0, 1)   \
	STORE(0, 1)

// func q8BatchDot(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, step int)
// stride, qStep and step are in bytes.
TEXT ·q8BatchDot(SB), 0, $1024-72
	MOVD $sums-1024(SP), R(FIRST)
	START8
	ZEROSUMS(SIZE)

loop:
	ZERO16
	HALFBLOCK(0)
	HALFBLOCK(256)
	LDRQ(WS1, SCALES, 0)
	SHLL4S(WS0, WS1)
	SHLL24S(WS1, WS1)
	LDPQ(XS0, XS1, SCALE, 0)
	SCALED(0, 0, XS0, 0)
	SCALED(1, 32, XS0, 1)
	SCALED(2, 64, XS0, 2)
	SCALED(3, 96, XS0, 3)
	SCALED(4, 128, XS1, 0)
	SCALED(5, 160, XS1, 1)
	SCALED(6, 192, XS1, 2)
	SCALED(7, 224, XS1, 3)
	NEXT(SIZE)

	STARTSTORE
	RESULT(0)
	RESULT(32)
	RESULT(64)
	RESULT(96)
	RESULT(128)
	RESULT(160)
	RESULT(192)
	RESULT(224)
	RET
