#include "textflag.h"
#include "neon_arm64.h"

// MXFP4 weights, integer activations.

// General registers: of four rows, the blocks and the scales, of which the next
// four follow. AHEAD bytes farther is what is asked for early.
#define DST 0
#define ROWBYTES 1
#define ROWSCALES 2
#define LEN 3
#define GROUPS 4
#define Q 5
#define SCALE 6
#define N 7
#define W0 8
#define W1 9
#define W2 10
#define W3 11
#define S0 12
#define S1 13
#define S2 14
#define S3 15
#define TMP 19
#define AHEAD 20

// Vectors: an accumulator for every fourth block, whose lanes are rows, a block's
// even and odd activations, a block of each row, and its products.
#define ACC0 0
#define ACC1 1
#define ACC2 2
#define ACC3 3
#define XE 4
#define XO 5
#define EVEN 6
#define ODD 7
#define P0 16
#define P1 17
#define P2 18
#define P3 19
#define SBYTES 20
#define SC 21
#define XS 22
#define T 23
#define VALUES 24
#define NIBBLE 25
#define SCALE0 26
#define HALF 27
#define LANES0 28
#define LANES1 29
#define LANES2 30
#define LANES3 31

// Where the four bytes of a block's scales are among [4 rows][4 blocks], for the
// top bytes of 32-bit lanes.
DATA scaleLanes<>+0(SB)/8, $0x04ffffff00ffffff
DATA scaleLanes<>+8(SB)/8, $0x0cffffff08ffffff
DATA scaleLanes<>+16(SB)/8, $0x05ffffff01ffffff
DATA scaleLanes<>+24(SB)/8, $0x0dffffff09ffffff
DATA scaleLanes<>+32(SB)/8, $0x06ffffff02ffffff
DATA scaleLanes<>+40(SB)/8, $0x0effffff0affffff
DATA scaleLanes<>+48(SB)/8, $0x07ffffff03ffffff
DATA scaleLanes<>+56(SB)/8, $0x0fffffff0bffffff
GLOBL scaleLanes<>(SB), RODATA|NOPTR, $64

// A row's block times activations: 8 sums of 16 bits, each of four products of at
// most 12 times 127, or 4 of 32 bits.
#define PRODUCTSNEON(p) \
	SMULL(p, EVEN, XE)   \
	SMLAL2(p, EVEN, XE)  \
	SMLAL(p, ODD, XO)    \
	SMLAL2(p, ODD, XO)
#define PRODUCTSDOT(p) \
	ZERO(p)              \
	SDOT4S(p, EVEN, XE)  \
	SDOT4S(p, ODD, XO)

// The rows' sums to the lanes of P0. Two additions leave 16 bits room.
#define SUMNEON \
	ADDP8H(P0, P0, P1)   \
	ADDP8H(P2, P2, P3)   \
	ADDP8H(P0, P0, P2)   \
	SADDLP4S(P0, P0)
#define SUMDOT \
	ADDP4S(P0, P0, P1)   \
	ADDP4S(P2, P2, P3)   \
	ADDP4S(P0, P0, P2)

#define ROW(PRODUCTS, w, p) \
	LDRQP(T, w, 16)            \
	AND16B(EVEN, T, NIBBLE)    \
	USHR16B(ODD, T, 4)         \
	TBL16B(EVEN, VALUES, EVEN) \
	TBL16B(ODD, VALUES, ODD)   \
	PRODUCTS(p)

// A block of four rows, whose scales are the top bytes of the lanes of SC.
#define BLOCK(PRODUCTS, SUM, acc) \
	LDPQ(XE, XO, Q, 0)         \
	ADD $32, R(Q)              \
	ROW(PRODUCTS, W0, P0)      \
	ROW(PRODUCTS, W1, P1)      \
	ROW(PRODUCTS, W2, P2)      \
	ROW(PRODUCTS, W3, P3)      \
	SUM                        \
	SCVTF4S(P0, P0)            \
	LDRQP(XS, SCALE, 16)       \
	FMUL4S(XS, XS, HALF)       \
	USHR4S(SC, SC, 1)          \
	UMAX4S(SC, SC, SCALE0)     \
	FMUL4S(SC, SC, XS)         \
	FMLA4S(acc, P0, SC)

// One of the blocks that do not make four: none of what follows them is read.
#define LASTBLOCK(PRODUCTS, SUM, acc) \
	ZERO(SC)                   \
	LD1BP(SC, 3, S0)           \
	LD1BP(SC, 7, S1)           \
	LD1BP(SC, 11, S2)          \
	LD1BP(SC, 15, S3)          \
	BLOCK(PRODUCTS, SUM, acc)

#define PREFETCH(w) \
	ADD  R(AHEAD), R(w), R(TMP) \
	PRFM 0(R(TMP)), PLDL1KEEP

#define ROWS(PRODUCTS, SUM) \
	MOVD dst+0(FP), R(DST)              \
	MOVD w+8(FP), R(W0)                 \
	MOVD s+16(FP), R(S0)                \
	MOVD rowStep+24(FP), R(ROWSCALES)   \
	MOVD nb+32(FP), R(LEN)              \
	MOVD groups+40(FP), R(GROUPS)       \
	LSL  $4, R(ROWSCALES), R(ROWBYTES)  \
	LSL  $2, R(ROWBYTES), R(AHEAD)      \
	MOVD values+64(FP), R(TMP)          \
	LDRQ(VALUES, TMP, 0)                \
	MOVD $scaleLanes<>(SB), R(TMP)      \
	LDPQ(LANES0, LANES1, TMP, 0)        \
	LDPQ(LANES2, LANES3, TMP, 32)       \
	NIBBLES(NIBBLE)                     \
	MOVD $0x00400000, R(TMP)            \ // 2^-127, which scale 0 stands for
	DUP4SW(SCALE0, TMP)                 \
	MOVD $0x3f000000, R(TMP)            \ // 0.5
	DUP4SW(HALF, TMP)                   \
rows:                                       \
	MOVD q+48(FP), R(Q)                 \
	MOVD scale+56(FP), R(SCALE)         \
	ADD  R(ROWBYTES), R(W0), R(W1)      \
	ADD  R(ROWBYTES), R(W1), R(W2)      \
	ADD  R(ROWBYTES), R(W2), R(W3)      \
	ADD  R(ROWSCALES), R(S0), R(S1)     \
	ADD  R(ROWSCALES), R(S1), R(S2)     \
	ADD  R(ROWSCALES), R(S2), R(S3)     \
	ZERO(ACC0)                          \
	ZERO(ACC1)                          \
	ZERO(ACC2)                          \
	ZERO(ACC3)                          \
	SUBS $4, R(LEN), R(N)               \
	BLT  last                           \
four:                                       \
	PREFETCH(W0)                        \
	PREFETCH(W1)                        \
	PREFETCH(W2)                        \
	PREFETCH(W3)                        \
	LD1SP(SBYTES, 0, S0)                \
	LD1SP(SBYTES, 1, S1)                \
	LD1SP(SBYTES, 2, S2)                \
	LD1SP(SBYTES, 3, S3)                \
	TBL16B(SC, SBYTES, LANES0)          \
	BLOCK(PRODUCTS, SUM, ACC0)          \
	TBL16B(SC, SBYTES, LANES1)          \
	BLOCK(PRODUCTS, SUM, ACC1)          \
	TBL16B(SC, SBYTES, LANES2)          \
	BLOCK(PRODUCTS, SUM, ACC2)          \
	TBL16B(SC, SBYTES, LANES3)          \
	BLOCK(PRODUCTS, SUM, ACC3)          \
	SUBS $4, R(N)                       \
	BGE  four                           \
last:                                       \
	ADDS $4, R(N)                       \
	BEQ  done                           \
	LASTBLOCK(PRODUCTS, SUM, ACC0)      \
	SUBS $1, R(N)                       \
	BEQ  done                           \
	LASTBLOCK(PRODUCTS, SUM, ACC1)      \
	SUBS $1, R(N)                       \
	BEQ  done                           \
	LASTBLOCK(PRODUCTS, SUM, ACC2)      \
done:                                       \
	FADD4S(ACC0, ACC0, ACC2)            \
	FADD4S(ACC1, ACC1, ACC3)            \
	FADD4S(ACC0, ACC0, ACC1)            \
	ZERO(T)                             \
	FADD4S(ACC0, ACC0, T)               \
	FMOVQ.P F(ACC0), 16(R(DST))         \
	MOVD R(W3), R(W0)                   \
	MOVD R(S3), R(S0)                   \
	SUBS $1, R(GROUPS)                  \
	BNE  rows                           \
	RET

// func mxfp4Int8NEON(dst *float32, w, s *byte, rowStep, nb, groups int, q *int8, scale *float32, values *[16]int8)
// groups times four rows, rowStep blocks apart, of nb blocks each, times one vector;
// values are those of the 4-bit floats, doubled.
TEXT ·mxfp4Int8NEON(SB), NOSPLIT, $0-72
	ROWS(PRODUCTSNEON, SUMNEON)

// func mxfp4Int8Dot(dst *float32, w, s *byte, rowStep, nb, groups int, q *int8, scale *float32, values *[16]int8)
TEXT ·mxfp4Int8Dot(SB), NOSPLIT, $0-72
	ROWS(PRODUCTSDOT, SUMDOT)
