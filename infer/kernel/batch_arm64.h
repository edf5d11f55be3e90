// What the kernels for batches of integers share: 8 rows of a tile of Q8 by some
// vectors. A block's sums are integers in registers; the four accumulators of the
// order of operations, of which block b adds to number b%4, are in memory.

// General registers: a pointer for each of up to 8 vectors, and the accumulators.
#define W 0
#define SCALES 1
#define N 2
#define SCALE 3
#define STEP 4
#define ACC 5
#define FIRST 6
#define END 7
#define Q0 8
#define Q1 9
#define Q2 10
#define Q3 11
#define Q4 12
#define Q5 13
#define Q6 14
#define Q7 15
#define DST 19
#define STRIDE 20
#define TMP 21

#define START4 \
	MOVD data+16(FP), R(W)         \
	MOVD scales+24(FP), R(SCALES)  \
	MOVD nb+32(FP), R(N)           \
	MOVD q+40(FP), R(Q0)           \
	MOVD qStep+48(FP), R(TMP)      \
	MOVD scale+56(FP), R(SCALE)    \
	MOVD step+64(FP), R(STEP)      \
	ADD  R(TMP), R(Q0), R(Q1)      \
	ADD  R(TMP), R(Q1), R(Q2)      \
	ADD  R(TMP), R(Q2), R(Q3)

#define START8 \
	START4                         \
	ADD  R(TMP), R(Q3), R(Q4)      \
	ADD  R(TMP), R(Q4), R(Q5)      \
	ADD  R(TMP), R(Q5), R(Q6)      \
	ADD  R(TMP), R(Q6), R(Q7)

// Zeros the accumulators, four times size bytes at FIRST.
#define ZEROSUMS(size) \
	ZERO(0)                        \
	MOVD R(FIRST), R(ACC)          \
	ADD  $(4*size), R(FIRST), R(END) \
zero:                                  \
	STPQ(0, 0, ACC, 0)             \
	ADD  $32, R(ACC)               \
	CMP  R(END), R(ACC)            \
	BNE  zero                      \
	MOVD R(FIRST), R(ACC)

#define ZERO16 \
	ZERO(0)   \
	ZERO(1)   \
	ZERO(2)   \
	ZERO(3)   \
	ZERO(4)   \
	ZERO(5)   \
	ZERO(6)   \
	ZERO(7)   \
	ZERO(8)   \
	ZERO(9)   \
	ZERO(10)  \
	ZERO(11)  \
	ZERO(12)  \
	ZERO(13)  \
	ZERO(14)  \
	ZERO(15)

// To the next block and its accumulator of size bytes.
#define NEXT(size) \
	ADD  $512, R(W)                \
	ADD  $32, R(SCALES)            \
	ADD  R(STEP), R(SCALE)         \
	ADD  $size, R(ACC)             \
	CMP  R(END), R(ACC)            \
	CSEL EQ, R(FIRST), R(ACC), R(ACC) \
	SUBS $1, R(N)                  \
	BNE  loop

// Two registers of the accumulator, off bytes into it, += sums d0 and d1 times
// scales s0 and s1.
#define ACCUMULATE(off, d0, d1, s0, s1, t0, t1) \
	LDPQ(t0, t1, ACC, off)         \
	SCVTF4S(d0, d0)                \
	SCVTF4S(d1, d1)                \
	FMLA4S(t0, d0, s0)             \
	FMLA4S(t1, d1, s1)             \
	STPQ(t0, t1, ACC, off)

// Adds up the accumulators' registers at off bytes to d0 and d1.
#define TOTAL(size, off, d0, d1) \
	LDPQ(d0, d1, FIRST, off)              \
	LDPQ(24, 25, FIRST, (off+2*size))     \
	LDPQ(26, 27, FIRST, (off+size))       \
	LDPQ(28, 29, FIRST, (off+3*size))     \
	FADD4S(d0, d0, 24)                    \
	FADD4S(d1, d1, 25)                    \
	FADD4S(26, 26, 28)                    \
	FADD4S(27, 27, 29)                    \
	ZERO(30)                              \
	FADD4S(d0, d0, 26)                    \
	FADD4S(d1, d1, 27)                    \
	FADD4S(d0, d0, 30)                    \
	FADD4S(d1, d1, 30)

#define STARTSTORE \
	MOVD dst+0(FP), R(DST)         \
	MOVD stride+8(FP), R(STRIDE)

// Stores 8 rows, the results lo and hi, for the next vector.
#define STORE(lo, hi) \
	STPQ(lo, hi, DST, 0)           \
	ADD  R(STRIDE), R(DST)
