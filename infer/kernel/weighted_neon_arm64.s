#include "textflag.h"
#include "neon_arm64.h"

// General registers.
#define DST 0
#define W 1
#define VALUES 2
#define STEP 3
#define N 4

// Vectors: 0 to 15 have 64 elements of the sum; 16 of a value, and a weight.
#define V0 16
#define V1 17
#define V2 18
#define V3 19
#define WEIGHT 20

#define STARTSUM \
	MOVD dst+0(FP), R(DST)       \
	MOVD w+8(FP), R(W)           \
	MOVD values+16(FP), R(VALUES) \
	MOVD step+24(FP), R(STEP)    \
	MOVD n+32(FP), R(N)          \
	LDPQ(0, 1, DST, 0)           \
	LDPQ(2, 3, DST, 32)          \
	LDPQ(4, 5, DST, 64)          \
	LDPQ(6, 7, DST, 96)          \
	LDPQ(8, 9, DST, 128)         \
	LDPQ(10, 11, DST, 160)       \
	LDPQ(12, 13, DST, 192)       \
	LDPQ(14, 15, DST, 224)

#define STORESUM \
	STPQ(0, 1, DST, 0)           \
	STPQ(2, 3, DST, 32)          \
	STPQ(4, 5, DST, 64)          \
	STPQ(6, 7, DST, 96)          \
	STPQ(8, 9, DST, 128)         \
	STPQ(10, 11, DST, 160)       \
	STPQ(12, 13, DST, 192)       \
	STPQ(14, 15, DST, 224)

// 16 elements of a value to the sum from register a on.
#define SUM16(off, a) \
	LDPQ(V0, V1, VALUES, off)      \
	LDPQ(V2, V3, VALUES, (off+32)) \
	FMLA4S(a, V0, WEIGHT)          \
	FMLA4S(a+1, V1, WEIGHT)        \
	FMLA4S(a+2, V2, WEIGHT)        \
	FMLA4S(a+3, V3, WEIGHT)

// func addWeightedF32NEON(dst, w, values *float32, step, n int)
// 64 elements of dst and of each of n values, which are step bytes apart.
TEXT ·addWeightedF32NEON(SB), NOSPLIT, $0-40
	STARTSUM

loop:
	LD1R4SP(WEIGHT, W)
	SUM16(0, 0)
	SUM16(64, 4)
	SUM16(128, 8)
	SUM16(192, 12)
	ADD  R(STEP), R(VALUES)
	SUBS $1, R(N)
	BNE  loop
	STORESUM
	RET

#define SUM16H(off, a) \
	LDPQ(V1, V3, VALUES, off) \
	SHLL4S(V0, V1)            \
	SHLL24S(V1, V1)           \
	SHLL4S(V2, V3)            \
	SHLL24S(V3, V3)           \
	FMLA4S(a, V0, WEIGHT)     \
	FMLA4S(a+1, V1, WEIGHT)   \
	FMLA4S(a+2, V2, WEIGHT)   \
	FMLA4S(a+3, V3, WEIGHT)

// func addWeightedBF16NEON(dst, w *float32, values *uint16, step, n int)
// 64 elements of dst and of each of n values, which are step bytes apart.
TEXT ·addWeightedBF16NEON(SB), NOSPLIT, $0-40
	STARTSUM

loop:
	LD1R4SP(WEIGHT, W)
	SUM16H(0, 0)
	SUM16H(32, 4)
	SUM16H(64, 8)
	SUM16H(96, 12)
	ADD  R(STEP), R(VALUES)
	SUBS $1, R(N)
	BNE  loop
	STORESUM
	RET
