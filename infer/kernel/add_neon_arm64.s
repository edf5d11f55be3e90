#include "textflag.h"
#include "neon_arm64.h"

// General registers.
#define DST 0
#define SRC 1
#define N 2

// Vectors.
#define D0 0
#define D1 1
#define X0 2
#define X1 3
#define SCALE 4

// func addNEON(dst, x *float32, n int)
// Adds n times 8 elements.
TEXT ·addNEON(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R(DST)
	MOVD x+8(FP), R(SRC)
	MOVD n+16(FP), R(N)

loop:
	LDPQ(D0, D1, DST, 0)
	LDPQ(X0, X1, SRC, 0)
	FADD4S(D0, D0, X0)
	FADD4S(D1, D1, X1)
	STPQ(D0, D1, DST, 0)
	ADD  $32, R(DST)
	ADD  $32, R(SRC)
	SUBS $1, R(N)
	BNE  loop
	RET

// func addScaledNEON(dst *float32, a float32, x *float32, n int)
TEXT ·addScaledNEON(SB), NOSPLIT, $0-32
	MOVD  dst+0(FP), R(DST)
	FMOVS a+8(FP), F(SCALE)
	MOVD  x+16(FP), R(SRC)
	MOVD  n+24(FP), R(N)

loop:
	LDPQ(D0, D1, DST, 0)
	LDPQ(X0, X1, SRC, 0)
	FMUL4SE(X0, X0, SCALE, 0)
	FMUL4SE(X1, X1, SCALE, 0)
	FADD4S(D0, D0, X0)
	FADD4S(D1, D1, X1)
	STPQ(D0, D1, DST, 0)
	ADD  $32, R(DST)
	ADD  $32, R(SRC)
	SUBS $1, R(N)
	BNE  loop
	RET

// func addBF16NEON(dst *float32, src *byte, n int)
TEXT ·addBF16NEON(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R(DST)
	MOVD src+8(FP), R(SRC)
	MOVD n+16(FP), R(N)

loop:
	LDPQ(D0, D1, DST, 0)
	LDRQ(X1, SRC, 0)
	SHLL4S(X0, X1)
	SHLL24S(X1, X1)
	FADD4S(D0, D0, X0)
	FADD4S(D1, D1, X1)
	STPQ(D0, D1, DST, 0)
	ADD  $32, R(DST)
	ADD  $16, R(SRC)
	SUBS $1, R(N)
	BNE  loop
	RET
