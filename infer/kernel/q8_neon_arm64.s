#include "textflag.h"
#include "neon_arm64.h"

// Q8 weights times one vector.

// General registers.
#define DST 0
#define W 1
#define SCALES 2
#define N 3
#define Q 4
#define SCALE 5
#define STEP 6

// Vectors: 0 to 15 are the accumulators, four for every fourth block, whose lanes
// are the tile's rows. Of a block, X0 and X1 have the activations.
#define X0 24
#define X1 25
#define T0 26
#define T1 27
#define T2 28
#define T3 29
#define T4 30
#define T5 31

#define START \
	MOVD dst+0(FP), R(DST)       \
	MOVD data+8(FP), R(W)        \
	MOVD scales+16(FP), R(SCALES) \
	MOVD nb+24(FP), R(N)         \
	MOVD q+32(FP), R(Q)          \
	MOVD scale+40(FP), R(SCALE)  \
	MOVD step+48(FP), R(STEP)    \
	ZERO(0)                      \
	ZERO(1)                      \
	ZERO(2)                      \
	ZERO(3)                      \
	ZERO(4)                      \
	ZERO(5)                      \
	ZERO(6)                      \
	ZERO(7)                      \
	ZERO(8)                      \
	ZERO(9)                      \
	ZERO(10)                     \
	ZERO(11)                     \
	ZERO(12)                     \
	ZERO(13)                     \
	ZERO(14)                     \
	ZERO(15)

// Four rows: the accumulator a += p times the scales of weights, ws, and of
// activations, X0.
#define SCALE4(a, p, ws) \
	FMUL4SE(ws, ws, X0, 0) \
	SCVTF4S(p, p)          \
	FMLA4S(a, p, ws)

// The tile's block: the accumulators from a on += p0 to p3 times the scales.
#define SCALE16(a, p0, p1, p2, p3) \
	FMOVS 0(R(SCALE)), F(X0)     \
	ADD  R(STEP), R(SCALE)      \
	LDPQ(T1, T3, SCALES, 0)     \
	ADD  $32, R(SCALES)         \
	SHLL4S(T0, T1)              \
	SHLL24S(T1, T1)             \
	SHLL4S(T2, T3)              \
	SHLL24S(T3, T3)             \
	SCALE4(a, p0, T0)           \
	SCALE4(a+1, p1, T1)         \
	SCALE4(a+2, p2, T2)         \
	SCALE4(a+3, p3, T3)

#define SUM4(a) \
	FADD4S(a, a, a+8)           \
	FADD4S(a+4, a+4, a+12)      \
	FADD4S(a, a, a+4)           \
	FADD4S(a, a, T0)            \
	FMOVQ.P F(a), 16(R(DST))

#define FINISH \
	ZERO(T0)  \
	SUM4(0)   \
	SUM4(1)   \
	SUM4(2)   \
	SUM4(3)

// 4 columns of 16 rows, column i of 4 of x, by dot products to D0 to D3.
#define D0 16
#define D1 17
#define D2 18
#define D3 19
#define GROUPDOT(k, x, i) \
	LDPQ(T0, T1, W, k*64)       \
	LDPQ(T2, T3, W, (k*64+32))  \
	SDOT4SE(D0, T0, x, i)       \
	SDOT4SE(D1, T1, x, i)       \
	SDOT4SE(D2, T2, x, i)       \
	SDOT4SE(D3, T3, x, i)

#define BLOCKDOT(a) \
	LDPQ(X0, X1, Q, 0)          \
	ADD $32, R(Q)               \
	ZERO(D0)                    \
	ZERO(D1)                    \
	ZERO(D2)                    \
	ZERO(D3)                    \
	GROUPDOT(0, X0, 0)          \
	GROUPDOT(1, X0, 1)          \
	GROUPDOT(2, X0, 2)          \
	GROUPDOT(3, X0, 3)          \
	GROUPDOT(4, X1, 0)          \
	GROUPDOT(5, X1, 1)          \
	GROUPDOT(6, X1, 2)          \
	GROUPDOT(7, X1, 3)          \
	ADD $512, R(W)              \
	SCALE16(a, D0, D1, D2, D3)  \
	SUBS $1, R(N)               \
	BEQ  done

// func q8VecDot(dst *[tileRows]float32, data *int8, scales *uint16, nb int, q *int8, scale *float32, step int)
// step is the number of bytes from a block's scale to the next one's.
TEXT ·q8VecDot(SB), NOSPLIT, $0-56
	START

loop:
	PRFM 4096(R(W)), PLDL1KEEP
	BLOCKDOT(0)
	BLOCKDOT(4)
	BLOCKDOT(8)
	BLOCKDOT(12)
	B loop

done:
	FINISH
	RET

// 8 columns of rows 4j to 4j+3, the activations being XA and XB in all lanes: sums
// of two products of at most 128 times 127 fit 16 bits. D(2j) and D(2j+1) are 16+2j
// and 17+2j, of which each has two sums of two rows.
#define XA T0
#define XB T1
#define WA T2
#define WB T3
#define PL T4
#define PH T5
#define QUAD(k, j) \
	LDRQ(WA, W, (k*64+j*16))    \
	LDRQ(WB, W, (k*64+j*16+64)) \
	SMULL(PL, WA, XA)           \
	SMULL2(PH, WA, XA)          \
	SMLAL(PL, WB, XB)           \
	SMLAL2(PH, WB, XB)          \
	SADALP4S(16+2*j, PL)        \
	SADALP4S(17+2*j, PH)

#define GROUPSNEON(k, x, i) \
	DUP4S(XA, x, i)             \
	DUP4S(XB, x, (i+1))         \
	QUAD(k, 0)                  \
	QUAD(k, 1)                  \
	QUAD(k, 2)                  \
	QUAD(k, 3)

#define BLOCKNEON(a) \
	LDPQ(X0, X1, Q, 0)          \
	ADD $32, R(Q)               \
	ZERO(16)                    \
	ZERO(17)                    \
	ZERO(18)                    \
	ZERO(19)                    \
	ZERO(20)                    \
	ZERO(21)                    \
	ZERO(22)                    \
	ZERO(23)                    \
	GROUPSNEON(0, X0, 0)        \
	GROUPSNEON(2, X0, 2)        \
	GROUPSNEON(4, X1, 0)        \
	GROUPSNEON(6, X1, 2)        \
	ADD $512, R(W)              \
	ADDP4S(16, 16, 17)          \
	ADDP4S(18, 18, 19)          \
	ADDP4S(20, 20, 21)          \
	ADDP4S(22, 22, 23)          \
	SCALE16(a, 16, 18, 20, 22)  \
	SUBS $1, R(N)               \
	BEQ  done

// func q8VecNEON(dst *[tileRows]float32, data *int8, scales *uint16, nb int, q *int8, scale *float32, step int)
TEXT ·q8VecNEON(SB), NOSPLIT, $0-56
	START

loop:
	PRFM 4096(R(W)), PLDL1KEEP
	BLOCKNEON(0)
	BLOCKNEON(4)
	BLOCKNEON(8)
	BLOCKNEON(12)
	B loop

done:
	FINISH
	RET
