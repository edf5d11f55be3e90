#include "textflag.h"

// The assembler does not know AMX: instructions are written as bytes.
#define LDTILECFG_AX BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0x00
#define TILERELEASE  BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0xc0
#define TILEZERO_0   BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x49; BYTE $0xc0
#define TILEZERO_1   BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x49; BYTE $0xc8
// TILELOADD (DX)(R9*1), TMM4 and TMM5
#define TILELOADD_4  BYTE $0xc4; BYTE $0xa2; BYTE $0x7b; BYTE $0x4b; BYTE $0x24; BYTE $0x0a
#define TILELOADD_5  BYTE $0xc4; BYTE $0xa2; BYTE $0x7b; BYTE $0x4b; BYTE $0x2c; BYTE $0x0a
// TILELOADD (SI)(R10*1), TMM6 and TMM7
#define TILELOADD_6  BYTE $0xc4; BYTE $0xa2; BYTE $0x7b; BYTE $0x4b; BYTE $0x34; BYTE $0x16
#define TILELOADD_7  BYTE $0xc4; BYTE $0xa2; BYTE $0x7b; BYTE $0x4b; BYTE $0x3c; BYTE $0x16
// TDPBSSD TMM6, TMM4, TMM0 and TMM7, TMM5, TMM1
#define TDPBSSD_0    BYTE $0xc4; BYTE $0xe2; BYTE $0x4b; BYTE $0x5e; BYTE $0xc4
#define TDPBSSD_1    BYTE $0xc4; BYTE $0xe2; BYTE $0x43; BYTE $0x5e; BYTE $0xcd
// TILESTORED TMM0, (DI)(R10*1) and TMM1, (R12)(R10*1)
#define TILESTORED_0 BYTE $0xc4; BYTE $0xa2; BYTE $0x7a; BYTE $0x4b; BYTE $0x04; BYTE $0x17
#define TILESTORED_1 BYTE $0xc4; BYTE $0x82; BYTE $0x7a; BYTE $0x4b; BYTE $0x0c; BYTE $0x14

// TMM0 and TMM1: 16 vectors x 16 rows of int32. TMM4 and TMM5: 16 vectors x 32
// columns of int8. TMM6 and TMM7: 32 columns, in groups of 4, x 16 rows of int8.
DATA tiles<>+0(SB)/8, $1
DATA tiles<>+8(SB)/8, $0
DATA tiles<>+16(SB)/8, $0x0000000000400040
DATA tiles<>+24(SB)/8, $0x0040004000200020
DATA tiles<>+32(SB)/8, $0
DATA tiles<>+40(SB)/8, $0
DATA tiles<>+48(SB)/8, $0x0808101000001010
DATA tiles<>+56(SB)/8, $0
GLOBL tiles<>(SB), RODATA|NOPTR, $64

// The next block's products of 16 rows and 16 vectors to a buffer.
#define MULTIPLY(zero, loadA, loadB, dot, store) \
	zero           \
	loadA          \
	loadB          \
	dot            \
	store          \
	ADDQ $2048, SI \
	SUBQ $-128, DX

#define MULTIPLY0 MULTIPLY(TILEZERO_0, TILELOADD_4, TILELOADD_6, TDPBSSD_0, TILESTORED_0)
#define MULTIPLY1 MULTIPLY(TILEZERO_1, TILELOADD_5, TILELOADD_7, TDPBSSD_1, TILESTORED_1)

// Vector i's products at buf: acc += products * weight scales * activation scale.
#define VECTOR(buf, i, acc, t, u) \
	VCVTDQ2PS   i*64(buf), t       \
	VMULPS.BCST i*4(BX), Z16, u    \
	VFMADD231PS u, t, acc

#define SCALE(buf) \
	VPMOVZXWD (R8), Z16             \
	VPSLLD    $16, Z16, Z16         \
	VECTOR(buf, 0, Z0, Z17, Z18)    \
	VECTOR(buf, 1, Z1, Z19, Z20)    \
	VECTOR(buf, 2, Z2, Z21, Z22)    \
	VECTOR(buf, 3, Z3, Z23, Z24)    \
	VECTOR(buf, 4, Z4, Z17, Z18)    \
	VECTOR(buf, 5, Z5, Z19, Z20)    \
	VECTOR(buf, 6, Z6, Z21, Z22)    \
	VECTOR(buf, 7, Z7, Z23, Z24)    \
	VECTOR(buf, 8, Z8, Z17, Z18)    \
	VECTOR(buf, 9, Z9, Z19, Z20)    \
	VECTOR(buf, 10, Z10, Z21, Z22)  \
	VECTOR(buf, 11, Z11, Z23, Z24)  \
	VECTOR(buf, 12, Z12, Z17, Z18)  \
	VECTOR(buf, 13, Z13, Z19, Z20)  \
	VECTOR(buf, 14, Z14, Z21, Z22)  \
	VECTOR(buf, 15, Z15, Z23, Z24)  \
	ADDQ AX, BX                     \
	ADDQ $128, R8

#define ZERO4(a, b, c, d) \
	VPXORD a, a, a  \
	VPXORD b, b, b  \
	VPXORD c, c, c  \
	VPXORD d, d, d

#define STORE4(i, a, b, c, d) \
	VMOVUPS a, i*64(R13)       \
	VMOVUPS b, i*64+64(R13)    \
	VMOVUPS c, i*64+128(R13)   \
	VMOVUPS d, i*64+192(R13)

// func q8BatchAMX(dst *float32, stride int, data *int8, scales *uint16, nb int, q *int8, qStep int, scale *float32, step int)
// A tile times 16 vectors. stride, qStep and step are in bytes. The blocks are
// visited in four passes, one for each accumulator of the order of operations.
// While a block's products are scaled, those of the next are computed.
TEXT ·q8BatchAMX(SB), 0, $6272-72
	LEAQ tiles<>(SB), AX
	LDTILECFG_AX
	MOVQ qStep+48(FP), R9
	MOVQ $64, R10
	LEAQ room-6272(SP), R13
	ADDQ $63, R13
	ANDQ $~63, R13          // 4 passes x 16 vectors x 16 rows of float32
	LEAQ 4096(R13), DI      // two buffers of products
	LEAQ 5120(R13), R12
	XORQ R15, R15           // the pass

pass:
	MOVQ  data+16(FP), SI
	MOVQ  scales+24(FP), R8
	MOVQ  nb+32(FP), CX
	MOVQ  q+40(FP), DX
	MOVQ  scale+56(FP), BX
	MOVQ  step+64(FP), AX
	MOVQ  R15, R14
	IMULQ AX, R14
	ADDQ  R14, BX
	MOVQ  R15, R14
	SHLQ  $5, R14
	ADDQ  R14, R8
	ADDQ  R14, DX
	SHLQ  $4, R14
	ADDQ  R14, SI
	SHLQ  $2, AX
	SUBQ  R15, CX
	ZERO4(Z0, Z1, Z2, Z3)
	ZERO4(Z4, Z5, Z6, Z7)
	ZERO4(Z8, Z9, Z10, Z11)
	ZERO4(Z12, Z13, Z14, Z15)
	CMPQ  CX, $0
	JLE   next
	MULTIPLY0

loop:
	SUBQ $4, CX
	JLE  last0
	MULTIPLY1
	SCALE(DI)
	SUBQ $4, CX
	JLE  last1
	MULTIPLY0
	SCALE(R12)
	JMP  loop

last0:
	SCALE(DI)
	JMP next

last1:
	SCALE(R12)

next:
	STORE4(0, Z0, Z1, Z2, Z3)
	STORE4(4, Z4, Z5, Z6, Z7)
	STORE4(8, Z8, Z9, Z10, Z11)
	STORE4(12, Z12, Z13, Z14, Z15)
	ADDQ $1024, R13
	INCQ R15
	CMPQ R15, $4
	JLT  pass
	TILERELEASE

	SUBQ   $4096, R13
	VPXORD Z2, Z2, Z2
	MOVQ   dst+0(FP), DX
	MOVQ   stride+8(FP), R8
	MOVQ   $16, CX

sum:
	VMOVUPS (R13), Z0
	VADDPS  2048(R13), Z0, Z0
	VMOVUPS 1024(R13), Z1
	VADDPS  3072(R13), Z1, Z1
	VADDPS  Z1, Z0, Z0
	VADDPS  Z2, Z0, Z0
	VMOVUPS Z0, (DX)
	ADDQ    R8, DX
	ADDQ    $64, R13
	DECQ    CX
	JNZ     sum
	VZEROUPPER
	RET
