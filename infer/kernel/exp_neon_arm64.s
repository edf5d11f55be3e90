#include "textflag.h"
#include "neon_arm64.h"

// General registers.
#define DST 0
#define SRC 1
#define N 2
#define CONSTANTS 3

// Vectors: those of EXP, a letter for each of the two that are computed side by
// side, and expConstants, each in all lanes.
#define X 0
#define Y 1
#define TX 2
#define TY 3
#define RX 4
#define RY 5
#define PX 6
#define PY 7
#define ZX 8
#define ZY 9
#define EXPMIN 16
#define EXPMAX 17
#define LOG2E 18
#define SHIFT 19
#define LN2HI 20
#define LN2LO 21
#define EXP5 22
#define EXP4 23
#define EXP3 24
#define EXP2 25
#define EXP1 26
#define EXP0 27
#define ONE 28

#define LOADCONSTANTS \
	LD1R4SP(EXPMIN, CONSTANTS) \
	LD1R4SP(EXPMAX, CONSTANTS) \
	LD1R4SP(LOG2E, CONSTANTS)  \
	LD1R4SP(SHIFT, CONSTANTS)  \
	LD1R4SP(LN2HI, CONSTANTS)  \
	LD1R4SP(LN2LO, CONSTANTS)  \
	LD1R4SP(EXP5, CONSTANTS)   \
	LD1R4SP(EXP4, CONSTANTS)   \
	LD1R4SP(EXP3, CONSTANTS)   \
	LD1R4SP(EXP2, CONSTANTS)   \
	LD1R4SP(EXP1, CONSTANTS)   \
	LD1R4SP(EXP0, CONSTANTS)   \
	LD1R4SP(ONE, CONSTANTS)

// p = p*r + c, rounded twice.
#define HORNER(p, r, c) \
	FMUL4S(p, p, r) \
	FADD4S(p, p, c)

// x = Exp(x), with t, r, p and z for what comes in between. Comparisons are false
// for a NaN, which so stays one.
#define EXP(x, t, r, p, z) \
	FCMGT4S(z, EXPMIN, x)   \ // where the result is 0
	FCMGT4S(t, x, EXPMAX)   \
	BIT16B(x, EXPMAX, t)    \
	FMUL4S(t, x, LOG2E)     \
	FADD4S(t, t, SHIFT)     \
	FSUB4S(p, t, SHIFT)     \ // n
	FMUL4S(r, p, LN2HI)     \
	FSUB4S(r, x, r)         \
	FMUL4S(p, p, LN2LO)     \
	FSUB4S(r, r, p)         \
	FMUL4S(p, EXP5, r)      \
	FADD4S(p, p, EXP4)      \
	HORNER(p, r, EXP3)      \
	HORNER(p, r, EXP2)      \
	HORNER(p, r, EXP1)      \
	HORNER(p, r, EXP0)      \
	SHL4S(t, t, 23)         \
	ADD4S(t, t, ONE)        \ // 2^n
	FMUL4S(x, r, r)         \
	FMUL4S(p, p, x)         \
	FADD4S(p, p, r)         \
	FADD4S(p, p, ONE)       \
	FMUL4S(x, p, t)         \
	BIC16B(x, x, z)

// func expSumNEON(s *float32, n int, m float32, parts *[8]float32, constants *expConstants)
// Sets n groups of 8 to Exp(s-m) and parts to their sums.
#define M 29
#define SUMX 30
#define SUMY 31
TEXT ·expSumNEON(SB), NOSPLIT, $0-40
	MOVD  s+0(FP), R(SRC)
	MOVD  n+8(FP), R(N)
	FMOVS m+16(FP), F(M)
	MOVD  parts+24(FP), R(DST)
	MOVD  constants+32(FP), R(CONSTANTS)
	LOADCONSTANTS
	DUP4S(M, M, 0)
	ZERO(SUMX)
	ZERO(SUMY)

loop:
	LDPQ(X, Y, SRC, 0)
	FSUB4S(X, X, M)
	FSUB4S(Y, Y, M)
	EXP(X, TX, RX, PX, ZX)
	EXP(Y, TY, RY, PY, ZY)
	STPQ(X, Y, SRC, 0)
	FADD4S(SUMX, SUMX, X)
	FADD4S(SUMY, SUMY, Y)
	ADD  $32, R(SRC)
	SUBS $1, R(N)
	BNE  loop
	STPQ(SUMX, SUMY, DST, 0)
	RET

// func swigluNEON(dst, a *float32, n int, limit, alpha float32, constants *expConstants)
// n groups of 4 elements of dst.
#define GATE 1
#define LINEAR 3
#define MASK 5
#define LIMIT 29
#define MINUSLIMIT 30
#define ALPHA 31
TEXT ·swigluNEON(SB), NOSPLIT, $0-40
	MOVD  dst+0(FP), R(DST)
	MOVD  a+8(FP), R(SRC)
	MOVD  n+16(FP), R(N)
	FMOVS limit+24(FP), F(LIMIT)
	FMOVS alpha+28(FP), F(ALPHA)
	MOVD  constants+32(FP), R(CONSTANTS)
	LOADCONSTANTS
	DUP4S(LIMIT, LIMIT, 0)
	DUP4S(ALPHA, ALPHA, 0)
	FNEG4S(MINUSLIMIT, LIMIT)

loop:
	LDPQ(X, MASK, SRC, 0)
	UZP1S(GATE, X, MASK)
	UZP2S(LINEAR, X, MASK)
	FCMGT4S(MASK, GATE, LIMIT)
	BIT16B(GATE, LIMIT, MASK)
	FCMGT4S(MASK, LINEAR, LIMIT)
	BIT16B(LINEAR, LIMIT, MASK)
	FCMGT4S(MASK, MINUSLIMIT, LINEAR)
	BIT16B(LINEAR, MINUSLIMIT, MASK)
	FADD4S(LINEAR, LINEAR, ONE)
	FMUL4S(LINEAR, GATE, LINEAR)
	FMUL4S(X, GATE, ALPHA)
	FNEG4S(X, X)
	EXP(X, TX, RX, PX, ZX)
	FADD4S(X, X, ONE)
	FDIV4S(X, LINEAR, X)
	STRQ(X, DST, 0)
	ADD  $32, R(SRC)
	ADD  $16, R(DST)
	SUBS $1, R(N)
	BNE  loop
	RET
