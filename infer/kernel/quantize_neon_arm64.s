#include "textflag.h"
#include "neon_arm64.h"

// General registers.
#define DST 0
#define SCALE 1
#define CORR 2
#define STEP 3
#define SRC 4
#define N 5
#define BITS 6
#define TMP 7

// Vectors: a block's even and odd elements, and temporary ones.
#define E0 0
#define E1 1
#define E2 2
#define E3 3
#define O0 4
#define O1 5
#define O2 6
#define O3 7
#define T0 16
#define T1 17
#define T2 18
#define T3 19
#define LARGEST 20
#define INVERSE 21
#define NUMBER127 22
#define SIGN 24
#define UPPER 25

// 8 elements at SRC: the even ones to e, the odd ones to o.
#define SPLIT(off, e, o) \
	LDPQ(T0, T1, SRC, off) \
	UZP1S(e, T0, T1)       \
	UZP2S(o, T0, T1)

#define SPLITBLOCK \
	SPLIT(0, E0, O0)  \
	SPLIT(32, E1, O1) \
	SPLIT(64, E2, O2) \
	SPLIT(96, E3, O3)

// The bits of the largest magnitude of a block to BITS. Magnitudes are in the
// order of their bits, NaNs being the largest.
#define MAGNITUDE \
	BIC16B(T0, E0, SIGN)         \
	BIC16B(T1, E1, SIGN)         \
	BIC16B(T2, E2, SIGN)         \
	BIC16B(T3, E3, SIGN)         \
	UMAX4S(T0, T0, T1)           \
	UMAX4S(T2, T2, T3)           \
	UMAX4S(LARGEST, T0, T2)      \
	BIC16B(T0, O0, SIGN)         \
	BIC16B(T1, O1, SIGN)         \
	BIC16B(T2, O2, SIGN)         \
	BIC16B(T3, O3, SIGN)         \
	UMAX4S(T0, T0, T1)           \
	UMAX4S(T2, T2, T3)           \
	UMAX4S(LARGEST, LARGEST, T0) \
	UMAX4S(LARGEST, LARGEST, T2) \
	UMAXVS(LARGEST, LARGEST)     \
	FMOVS F(LARGEST), R(BITS)

// Makes the block integers: its elements times INVERSE.
#define INTEGERS \
	FMUL4SE(E0, E0, INVERSE, 0) \
	FMUL4SE(E1, E1, INVERSE, 0) \
	FMUL4SE(E2, E2, INVERSE, 0) \
	FMUL4SE(E3, E3, INVERSE, 0) \
	FMUL4SE(O0, O0, INVERSE, 0) \
	FMUL4SE(O1, O1, INVERSE, 0) \
	FMUL4SE(O2, O2, INVERSE, 0) \
	FMUL4SE(O3, O3, INVERSE, 0) \
	FCVTNS4S(E0, E0)            \
	FCVTNS4S(E1, E1)            \
	FCVTNS4S(E2, E2)            \
	FCVTNS4S(E3, E3)            \
	FCVTNS4S(O0, O0)            \
	FCVTNS4S(O1, O1)            \
	FCVTNS4S(O2, O2)            \
	FCVTNS4S(O3, O3)

// The integers as bytes, to E0 and O0.
#define NARROW \
	UZP1H(E0, E0, E1) \
	UZP1H(E2, E2, E3) \
	UZP1H(O0, O0, O1) \
	UZP1H(O2, O2, O3) \
	UZP1B(E0, E0, E2) \
	UZP1B(O0, O0, O2)

#define NUMBERS \
	ONES(SIGN)                            \
	SHL4S(SIGN, SIGN, 31)                 \
	FMOVS $127.0, F(NUMBER127)

#define INFINITY 0x7f800000
#define SMALLEST 0x0d800000 // 2^-100

// func quantizeNEON(q *int8, scale *float32, corr *int32, step int, x *float32, n int)
// Quantizes n blocks; step is the number of bytes from a block's scale and corr
// to the next one's.
TEXT ·quantizeNEON(SB), NOSPLIT, $0-48
	MOVD q+0(FP), R(DST)
	MOVD scale+8(FP), R(SCALE)
	MOVD corr+16(FP), R(CORR)
	MOVD step+24(FP), R(STEP)
	MOVD x+32(FP), R(SRC)
	MOVD n+40(FP), R(N)
	NUMBERS

loop:
	SPLITBLOCK
	MAGNITUDE
	MOVD $INFINITY, R(TMP)
	CMPW R(TMP), R(BITS)
	BHS  poison
	MOVD $SMALLEST, R(TMP)
	CMPW R(TMP), R(BITS)
	BLO  zero

	FDIVS F(NUMBER127), F(LARGEST), F(T0)
	FMOVS F(T0), 0(R(SCALE))
	FDIVS F(LARGEST), F(NUMBER127), F(INVERSE)
	INTEGERS
	ADD4S(T0, E0, E1)
	ADD4S(T1, E2, E3)
	ADD4S(T2, O0, O1)
	ADD4S(T3, O2, O3)
	ADD4S(T0, T0, T1)
	ADD4S(T2, T2, T3)
	ADD4S(T0, T0, T2)
	ADDVS(T0, T0)
	FMOVS F(T0), R(TMP)
	LSLW  $7, R(TMP)
	NEGW  R(TMP), R(TMP)
	MOVW  R(TMP), 0(R(CORR))
	NARROW
	STPQ(E0, O0, DST, 0)

next:
	ADD  $128, R(SRC)
	ADD  $32, R(DST)
	ADD  R(STEP), R(SCALE)
	ADD  R(STEP), R(CORR)
	SUBS $1, R(N)
	BNE  loop
	RET

poison:
	MOVD $0x7fc00000, R(TMP)
	MOVW R(TMP), 0(R(SCALE))
	B    nothing

zero:
	MOVW ZR, 0(R(SCALE))

nothing:
	MOVW ZR, 0(R(CORR))
	STP  (ZR, ZR), 0(R(DST))
	STP  (ZR, ZR), 16(R(DST))
	B    next

#define NAN 26
#define ISNUMBER 27
#define ODD 28
#define HALF 29
#define QUIET 30

// x = x rounded to bfloat16, ties to even; a NaN stays one.
#define ROUND(x) \
	AND16B(NAN, x, UPPER)        \
	ORR16B(NAN, NAN, QUIET)      \
	FCMEQ4S(ISNUMBER, x, x)      \
	USHR4S(T0, x, 16)            \
	AND16B(T0, T0, ODD)          \
	ADD4S(T0, T0, HALF)          \
	ADD4S(T0, T0, x)             \
	AND16B(x, T0, UPPER)         \
	BIF16B(x, NAN, ISNUMBER)

// func splitNEON(dst, x *float32, n int, round bool)
// Copies n times 32 elements, the even ones before the odd ones.
TEXT ·splitNEON(SB), NOSPLIT, $0-25
	MOVD  dst+0(FP), R(DST)
	MOVD  x+8(FP), R(SRC)
	MOVD  n+16(FP), R(N)
	MOVBU round+24(FP), R(BITS)
	ONES(UPPER)
	USHR4S(ODD, UPPER, 31)   // 1
	USHR4S(HALF, UPPER, 17)  // 0x7fff
	SHL4S(UPPER, UPPER, 16)
	SHL4S(QUIET, ODD, 22)

loop:
	SPLITBLOCK
	CBZ R(BITS), store
	ROUND(E0)
	ROUND(E1)
	ROUND(E2)
	ROUND(E3)
	ROUND(O0)
	ROUND(O1)
	ROUND(O2)
	ROUND(O3)

store:
	STPQ(E0, E1, DST, 0)
	STPQ(E2, E3, DST, 32)
	STPQ(O0, O1, DST, 64)
	STPQ(O2, O3, DST, 96)
	ADD  $128, R(SRC)
	ADD  $128, R(DST)
	SUBS $1, R(N)
	BNE  loop
	RET
