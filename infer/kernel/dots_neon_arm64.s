#include "textflag.h"
#include "neon_arm64.h"

// General registers: K0 to K3 point to four keys, of which the next follow STEP
// bytes after K3.
#define DST 0
#define Q 1
#define STEP 2
#define LEN 3
#define GROUPS 4
#define K0 5
#define K1 6
#define K2 7
#define K3 8
#define N 9
#define X 10

// Vectors: the parts 0 to 3 and 4 to 7 of the keys' sums, the query, and a key.
#define A0 0
#define B0 1
#define A1 2
#define B1 3
#define A2 4
#define B2 5
#define A3 6
#define B3 7
#define Q0 16
#define Q1 17
#define Q2 18
#define Q3 19
#define T0 20
#define T1 21
#define T2 22
#define T3 23
#define SCALE 24
#define UPPER 25

#define START \
	MOVD  dst+0(FP), R(DST)        \
	MOVD  q+8(FP), R(Q)            \
	MOVD  keys+16(FP), R(K0)       \
	MOVD  step+24(FP), R(STEP)     \
	MOVD  n+32(FP), R(LEN)         \
	MOVD  groups+40(FP), R(GROUPS) \
	FMOVS scale+48(FP), F(SCALE)

#define START4 \
	ADD  R(STEP), R(K0), R(K1) \
	ADD  R(STEP), R(K1), R(K2) \
	ADD  R(STEP), R(K2), R(K3) \
	MOVD R(Q), R(X)            \
	MOVD R(LEN), R(N)          \
	ZERO(A0)                   \
	ZERO(B0)                   \
	ZERO(A1)                   \
	ZERO(B1)                   \
	ZERO(A2)                   \
	ZERO(B2)                   \
	ZERO(A3)                   \
	ZERO(B3)

// Adds the parts as halves, and stores the four products. K3 is behind its key.
#define FINISH4 \
	FADD4S(A0, A0, B0)         \
	FADD4S(A1, A1, B1)         \
	FADD4S(A2, A2, B2)         \
	FADD4S(A3, A3, B3)         \
	ZIP1S(T0, A0, A1)          \
	ZIP2S(T1, A0, A1)          \
	ZIP1S(T2, A2, A3)          \
	ZIP2S(T3, A2, A3)          \
	FADD4S(T0, T0, T1)         \
	FADD4S(T2, T2, T3)         \
	ZIP1D(T1, T0, T2)          \
	ZIP2D(T3, T0, T2)          \
	FADD4S(T0, T1, T3)         \
	FMUL4SE(T0, T0, SCALE, 0)  \
	STRQ(T0, DST, 0)           \
	ADD $16, R(DST)

// A key's 8 elements.
#define KEY(k, a, b) \
	LDPQ(T0, T1, k, 0)   \
	FMLA4S(a, T0, Q0)    \
	FMLA4S(b, T1, Q1)    \
	ADD $32, R(k)

// func dotsF32NEON(dst, q, keys *float32, step, n, groups int, scale float32)
// groups times four keys of n times 8 elements, step bytes apart.
TEXT ·dotsF32NEON(SB), NOSPLIT, $0-52
	START

four:
	START4

loop:
	LDPQ(Q0, Q1, X, 0)
	KEY(K0, A0, B0)
	KEY(K1, A1, B1)
	KEY(K2, A2, B2)
	KEY(K3, A3, B3)
	ADD  $32, R(X)
	SUBS $1, R(N)
	BNE  loop
	FINISH4
	MOVD R(K3), R(K0)
	SUBS $1, R(GROUPS)
	BNE  four
	RET

// 8 bfloat16 numbers in t: the even ones to e, the odd ones to o, which may be t.
#define WIDE(t, e, o) \
	SHL4S(e, t, 16)    \
	AND16B(o, t, UPPER)

// 16 elements of a key, off bytes after k.
#define KEY16(k, off, a, b) \
	LDPQ(T1, T3, k, off) \
	WIDE(T1, T0, T1)     \
	WIDE(T3, T2, T3)     \
	FMLA4S(a, T0, Q0)    \
	FMLA4S(b, T2, Q1)    \
	FMLA4S(a, T1, Q2)    \
	FMLA4S(b, T3, Q3)

// 16 elements of the query, off bytes after X, and of the four keys.
#define STEP16(xoff, koff) \
	LDPQ(Q0, Q1, X, xoff)       \
	LDPQ(Q2, Q3, X, (xoff+64))  \
	KEY16(K0, koff, A0, B0)     \
	KEY16(K1, koff, A1, B1)     \
	KEY16(K2, koff, A2, B2)     \
	KEY16(K3, koff, A3, B3)

// func dotsBF16NEON(dst, q *float32, keys *uint16, step, n, groups int, scale float32)
// groups times four keys of n times 32 elements, step bytes apart. Of q, each 32
// elements are 16 even and 16 odd ones.
TEXT ·dotsBF16NEON(SB), NOSPLIT, $0-52
	START
	ONES(UPPER)
	SHL4S(UPPER, UPPER, 16)

four:
	START4

loop:
	STEP16(0, 0)
	STEP16(32, 32)
	ADD  $64, R(K0)
	ADD  $64, R(K1)
	ADD  $64, R(K2)
	ADD  $64, R(K3)
	ADD  $128, R(X)
	SUBS $1, R(N)
	BNE  loop
	FINISH4
	MOVD R(K3), R(K0)
	SUBS $1, R(GROUPS)
	BNE  four
	RET
