#include "textflag.h"
#include "neon_arm64.h"
#include "batch_arm64.h"

// Batches of integers: 8 rows of a tile times 4 vectors.

// Vectors: 0 to 15 have the sums, two registers for 4 rows and a vector, each with
// the sums of two rows; two groups of 4 columns of 8 rows, and a vector's 4 columns.
#define SIZE 128
#define WA 16 // and 17
#define WB 18 // and 19
#define XA 20
#define XB 21
#define PL 22
#define PH 23

// 4 rows' 8 columns times one vector's: sums of two products of at most 128 times
// 127 fit 16 bits.
#define QUAD32(d, wa, wb) \
	SMULL(PL, wa, XA)    \
	SMULL2(PH, wa, XA)   \
	SMLAL(PL, wb, XB)    \
	SMLAL2(PH, wb, XB)   \
	SADALP4S(d, PL)      \
	SADALP4S(d+1, PH)

// The same where weights are at most 12: the sums of a block fit 16 bits.
#define QUAD16(d, wa, wb) \
	SMLAL(d, wa, XA)     \
	SMLAL2(d+1, wa, XA)  \
	SMLAL(d, wb, XB)     \
	SMLAL2(d+1, wb, XB)

#define VECTOR(QUAD, d, q) \
	LD1R4SP(XA, q)       \
	LD1R4SP(XB, q)       \
	QUAD(d, WA, WB)      \
	QUAD(d+8, WA+1, WB+1)

#define GROUPS(QUAD, k) \
	LDPQ(WA, WA+1, W, (k*64))    \
	LDPQ(WB, WB+1, W, (k*64+64)) \
	VECTOR(QUAD, 0, Q0)          \
	VECTOR(QUAD, 2, Q1)          \
	VECTOR(QUAD, 4, Q2)          \
	VECTOR(QUAD, 6, Q3)

// The sums of 4 rows in one register.
#define JOIN32(d) \
	ADDP4S(d, d, d+1)
#define JOIN16(d) \
	ADDP8H(d, d, d+1)    \
	SADDLP4S(d, d)

// Vectors: the scales of 8 weights and of 4 vectors.
#define WS0 16
#define WS1 17
#define XS 18
#define T0 19
#define T1 20
#define T2 21
#define T3 22
#define SCALED(d, off, i) \
	FMUL4SE(T0, WS0, XS, i)      \
	FMUL4SE(T1, WS1, XS, i)      \
	ACCUMULATE(off, d, d+8, T0, T1, T2, T3)

#define BATCH(QUAD, JOIN) \
	MOVD $sums-512(SP), R(FIRST) \
	START4                       \
	ZEROSUMS(SIZE)               \
loop:                                \
	ZERO16                       \
	GROUPS(QUAD, 0)              \
	GROUPS(QUAD, 2)              \
	GROUPS(QUAD, 4)              \
	GROUPS(QUAD, 6)              \
	JOIN(0)                      \
	JOIN(2)                      \
	JOIN(4)                      \
	JOIN(6)                      \
	JOIN(8)                      \
	JOIN(10)                     \
	JOIN(12)                     \
	JOIN(14)                     \
	LDRQ(WS1, SCALES, 0)         \
	SHLL4S(WS0, WS1)             \
	SHLL24S(WS1, WS1)            \
	LDRQ(XS, SCALE, 0)           \
	SCALED(0, 0, 0)              \
	SCALED(2, 32, 1)             \
	SCALED(4, 64, 2)             \
	SCALED(6, 96, 3)             \
	NEXT(SIZE)                   \
	STARTSTORE                   \
	TOTAL(SIZE, 0, 0, 1)         \
	STORE(0, 1)                  \
	TOTAL(SIZE, 32, 0, 1)        \
	STORE(0, 1)                  \
	TOTAL(SIZE, 64, 0, 1)        \
	STORE(0, 1)                  \
	TOTAL(SIZE, 96, 0, 1)        \
	STORE(0, 1)                  \
	RET

// func q8BatchNEON(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, step int)
// stride, qStep and step are in bytes.
TEXT ·q8BatchNEON(SB), 0, $512-72
	BATCH(QUAD32, JOIN32)

// func q8BatchSmallNEON(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, step int)
// For weights of at most 12 in magnitude.
TEXT ·q8BatchSmallNEON(SB), 0, $512-72
	BATCH(QUAD16, JOIN16)
