#include "textflag.h"

// What Go's assembler does not know. Operands are the numbers of registers, the
// result first.
#define UMAXV(d, n) WORD $(0x6eb0a800 | (n)<<5 | (d)) // umaxv sd, vn.4s
#define FMUL(d, n, m) WORD $(0x4f809000 | (m)<<16 | (n)<<5 | (d)) // fmul vd.4s, vn.4s, vm.s[0]
#define FCVTNS(d, n) WORD $(0x4e21a800 | (n)<<5 | (d)) // fcvtns vd.4s, vn.4s

// 8 bfloat16 numbers in t: the even ones to e, the odd ones to o.
#define WIDE(t, e, o) \
	VSHL $16, t.S4, e.S4        \
	VAND V17.B16, t.B16, o.B16

// Stores 16 bytes as four times 4, 64 bytes apart.
#define SCATTER(t) \
	VST1 t.S[0], (R0)  \
	ADD  $64, R0       \
	VST1 t.S[1], (R0)  \
	ADD  $64, R0       \
	VST1 t.S[2], (R0)  \
	ADD  $64, R0       \
	VST1 t.S[3], (R0)  \
	ADD  $64, R0

#define MAGNITUDE(e, t) VAND V18.B16, e.B16, t.B16
#define MAX(a, b) VUMAX a.S4, b.S4, b.S4
#define INTEGERS(n) \
	FMUL(n, n, 16)     \
	FCVTNS(n, n)

// func rowNEON(data *int8, scales *uint16, row *byte, n int)
// Quantizes n blocks of bfloat16 numbers to the places of a row in a tile. V0 to V3
// have a block's even elements, V4 to V7 the odd ones.
TEXT ·rowNEON(SB), NOSPLIT, $0-32
	MOVD  data+0(FP), R0
	MOVD  scales+8(FP), R1
	MOVD  row+16(FP), R2
	MOVD  n+24(FP), R3
	VMOVI $255, V18.B16
	VSHL  $16, V18.S4, V17.S4  // the upper half
	VUSHR $1, V18.S4, V18.S4   // all but the sign
	FMOVS $127.0, F19
	MOVD  $0x7f800000, R5      // infinity
	MOVD  $0x0d800000, R6      // 2^-100
	MOVD  $0xffff, R7

loop:
	VLD1.P 64(R2), [V20.B16, V21.B16, V22.B16, V23.B16]
	WIDE(V20, V0, V4)
	WIDE(V21, V1, V5)
	WIDE(V22, V2, V6)
	WIDE(V23, V3, V7)

	// The bits of magnitudes are in their order, NaNs being the largest.
	MAGNITUDE(V0, V24)
	MAGNITUDE(V1, V25)
	MAGNITUDE(V2, V26)
	MAGNITUDE(V3, V27)
	MAGNITUDE(V4, V28)
	MAGNITUDE(V5, V29)
	MAGNITUDE(V6, V30)
	MAGNITUDE(V7, V31)
	MAX(V25, V24)
	MAX(V27, V26)
	MAX(V29, V28)
	MAX(V31, V30)
	MAX(V26, V24)
	MAX(V30, V28)
	MAX(V28, V24)
	UMAXV(24, 24)
	FMOVS F24, R4
	CMPW  R5, R4
	BHS   poison
	CMPW  R6, R4
	BLO   zero

	// The scale, rounded up.
	FDIVS F19, F24, F24
	FMOVS F24, R4
	ADDW  R7, R4
	LSRW  $16, R4
	MOVH  R4, (R1)
	LSLW  $16, R4
	FMOVS R4, F24
	FMOVS $1.0, F16
	FDIVS F24, F16, F16
	INTEGERS(0)
	INTEGERS(1)
	INTEGERS(2)
	INTEGERS(3)
	INTEGERS(4)
	INTEGERS(5)
	INTEGERS(6)
	INTEGERS(7)
	VUZP1 V1.H8, V0.H8, V0.H8
	VUZP1 V3.H8, V2.H8, V2.H8
	VUZP1 V5.H8, V4.H8, V4.H8
	VUZP1 V7.H8, V6.H8, V6.H8
	VUZP1 V2.B16, V0.B16, V0.B16
	VUZP1 V6.B16, V4.B16, V4.B16

store:
	SCATTER(V0)
	SCATTER(V4)
	ADD  $32, R1
	SUBS $1, R3
	BNE  loop
	RET

poison:
	MOVD $0x7fc0, R4
	MOVH R4, (R1)
	B    nothing

zero:
	MOVH ZR, (R1)

nothing:
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V4.B16, V4.B16, V4.B16
	B    store
