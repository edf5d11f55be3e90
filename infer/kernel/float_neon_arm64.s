#include "textflag.h"
#include "neon_arm64.h"

// Float activations.

// General registers.
#define W 0
#define SCALES 1
#define N 2
#define X 3
#define PLANES 4
#define DST 5
#define TMP 6

// Vectors: the accumulators of 16 even and 16 odd elements, activations, weights.
#define E0 0
#define E1 1
#define E2 2
#define E3 3
#define O0 4
#define O1 5
#define O2 6
#define O3 7
#define XE0 16
#define XE1 17
#define XE2 18
#define XE3 19
#define XO0 20
#define XO1 21
#define XO2 22
#define XO3 23
#define T0 24
#define T1 25
#define T2 26
#define T3 27

#define ZEROSUMS \
	ZERO(E0) \
	ZERO(E1) \
	ZERO(E2) \
	ZERO(E3) \
	ZERO(O0) \
	ZERO(O1) \
	ZERO(O2) \
	ZERO(O3)

#define LOADX \
	LDPQ(XE0, XE1, X, 0)  \
	LDPQ(XE2, XE3, X, 32) \
	LDPQ(XO0, XO1, X, 64) \
	LDPQ(XO2, XO3, X, 96) \
	ADD $128, R(X)

// Adds up the accumulators in the order of the package comment, and stores the sum.
#define STORESUM \
	FADD4S(E0, E0, O0)  \
	FADD4S(E1, E1, O1)  \
	FADD4S(E2, E2, O2)  \
	FADD4S(E3, E3, O3)  \
	FADD4S(E0, E0, E2)  \
	FADD4S(E1, E1, E3)  \
	FADD4S(E0, E0, E1)  \
	ZERO(T0)            \
	ZIP2D(E1, E0, E0)   \
	FADD4S(E0, E0, E1)  \
	DUP4S(E1, E0, 1)    \
	FADD4S(E0, E0, E1)  \
	FADD4S(E0, E0, T0)  \
	FMOVS F(E0), 0(R(DST))

// func bf16VecNEON(dst *float32, w *byte, n int, x *float32)
// One row of n groups of 32 columns.
#define UPPER 28
#define U0 29
#define U1 30
TEXT ·bf16VecNEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R(DST)
	MOVD w+8(FP), R(W)
	MOVD n+16(FP), R(N)
	MOVD x+24(FP), R(X)
	ONES(UPPER)
	SHL4S(UPPER, UPPER, 16)
	ZEROSUMS

loop:
	PRFM 4096(R(W)), PLDL1KEEP
	LOADX
	LDPQ(T0, T1, W, 0)
	LDPQ(T2, T3, W, 32)
	ADD  $64, R(W)
	AND16B(U0, T0, UPPER)
	FMLA4S(O0, U0, XO0)
	AND16B(U1, T1, UPPER)
	FMLA4S(O1, U1, XO1)
	AND16B(U0, T2, UPPER)
	FMLA4S(O2, U0, XO2)
	AND16B(U1, T3, UPPER)
	FMLA4S(O3, U1, XO3)
	SHL4S(T0, T0, 16)
	FMLA4S(E0, T0, XE0)
	SHL4S(T1, T1, 16)
	FMLA4S(E1, T1, XE1)
	SHL4S(T2, T2, 16)
	FMLA4S(E2, T2, XE2)
	SHL4S(T3, T3, 16)
	FMLA4S(E3, T3, XE3)
	SUBS $1, R(N)
	BNE  loop
	STORESUM
	RET

// 16 elements, whose 4-bit floats are the bytes of v: their bfloat16 values under
// the block's scale, of which LOWER and UPPERS have the bytes, times xs.
#define LOWER 28
#define UPPERS 29
#define NIBBLE 30
#define HALF(v, x0, x1, x2, x3, a0, a1, a2, a3) \
	TBL16B(T0, LOWER, v)  \
	TBL16B(T1, UPPERS, v) \
	ZIP1B(T2, T0, T1)     \
	ZIP2B(T3, T0, T1)     \
	SHLL4S(T0, T2)        \
	SHLL24S(T1, T2)       \
	SHLL4S(T2, T3)        \
	SHLL24S(T3, T3)       \
	FMLA4S(a0, T0, x0)    \
	FMLA4S(a1, T1, x1)    \
	FMLA4S(a2, T2, x2)    \
	FMLA4S(a3, T3, x3)

// func mxfp4FloatNEON(dst *float32, w, s *byte, nb int, x *float32, planes *[256][2][16]byte)
// One row of nb blocks.
#define BYTES 31
#define V 8
TEXT ·mxfp4FloatNEON(SB), NOSPLIT, $0-48
	MOVD dst+0(FP), R(DST)
	MOVD w+8(FP), R(W)
	MOVD s+16(FP), R(SCALES)
	MOVD nb+24(FP), R(N)
	MOVD x+32(FP), R(X)
	MOVD planes+40(FP), R(PLANES)
	NIBBLES(NIBBLE)
	ZEROSUMS

loop:
	PRFM  4096(R(W)), PLDL1KEEP
	MOVBU.P 1(R(SCALES)), R(TMP)
	LSL   $5, R(TMP)
	ADD   R(PLANES), R(TMP)
	LDPQ(LOWER, UPPERS, TMP, 0)
	LOADX
	LDRQ(BYTES, W, 0)
	ADD   $16, R(W)
	AND16B(V, BYTES, NIBBLE)
	HALF(V, XE0, XE1, XE2, XE3, E0, E1, E2, E3)
	USHR16B(V, BYTES, 4)
	HALF(V, XO0, XO1, XO2, XO3, O0, O1, O2, O3)
	SUBS  $1, R(N)
	BNE   loop
	STORESUM
	RET
