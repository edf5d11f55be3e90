#include "textflag.h"

// Loads of 4 blocks, and of those of which K1 has the dwords.
#define WHOLE(w, z) VMOVDQU64 w, z
#define PART(w, z) VMOVDQU32.Z w, K1, z

// One row's 4 blocks at w, unpacked: the even elements of each block and the odd
// ones.
#define UNPACK(LOAD, w, even, odd) \
	LOAD(w, even)            \
	VPSRLW $4, even, odd     \
	VPERMB Z31, even, even   \
	VPERMB Z31, odd, odd

#define UNPACK4(LOAD) \
	UNPACK(LOAD, (SI), Z0, Z1)        \
	UNPACK(LOAD, (SI)(R8*1), Z2, Z3)  \
	UNPACK(LOAD, (SI)(R8*2), Z4, Z5)  \
	UNPACK(LOAD, (SI)(R9*1), Z6, Z7)

// The 4 unpacked blocks of 4 rows times those of one vector, added to acc, whose
// lanes are [4 blocks][4 rows]. Half the scales of the weights are in Z24.
#define VECTOR(acc) \
	VMOVDQU64   (DX), Z8               \
	VMOVDQU64   64(DX), Z9             \
	VPXORD      Z10, Z10, Z10          \
	VPXORD      Z11, Z11, Z11          \
	VPXORD      Z12, Z12, Z12          \
	VPXORD      Z13, Z13, Z13          \
	VPDPBUSD    Z8, Z0, Z10            \
	VPDPBUSD    Z8, Z2, Z11            \
	VPDPBUSD    Z8, Z4, Z12            \
	VPDPBUSD    Z8, Z6, Z13            \
	VPDPBUSD    Z9, Z1, Z10            \
	VPDPBUSD    Z9, Z3, Z11            \
	VPDPBUSD    Z9, Z5, Z12            \
	VPDPBUSD    Z9, Z7, Z13            \
	\ // Add up within blocks.
	VPUNPCKLDQ  Z11, Z10, Z14          \
	VPUNPCKHDQ  Z11, Z10, Z15          \
	VPUNPCKLDQ  Z13, Z12, Z10          \
	VPUNPCKHDQ  Z13, Z12, Z11          \
	VPADDD      Z15, Z14, Z14          \
	VPADDD      Z11, Z10, Z10          \
	VPUNPCKLQDQ Z10, Z14, Z15          \
	VPUNPCKHQDQ Z10, Z14, Z14          \
	VPADDD      192(DX), Z15, Z15      \ // take off what the 128s added
	VPADDD      Z14, Z15, Z15          \
	VCVTDQ2PS   Z15, Z15               \
	VMULPS      128(DX), Z24, Z14      \
	VFMADD231PS Z14, Z15, acc          \
	ADDQ        $256, DX

// VECTOR, if it is not the last one of BX.
#define MORE(n, acc) \
	CMPQ BX, $n \
	JLT  next   \
	VECTOR(acc)

// The four results of a vector to the place of R12, which goes on to the next one.
#define STORE(n, acc, low) \
	CMPQ          BX, $n       \
	JLT           stored       \
	VEXTRACTF64X4 $1, acc, Y8  \
	VADDPS        Y8, low, Y8  \
	VEXTRACTF128  $1, Y8, X9   \
	VADDPS        X9, X8, X8   \
	VADDPS        X10, X8, X8  \
	VMOVUPS       X8, (R12)    \
	ADDQ          R15, R12

// func mxfp4FewAVX512(dst *float32, stride int, w, s *byte, rowStep, nb, groups int, x *fewBlocks, n int)
// groups times four rows, rowStep blocks apart, of nb blocks each, times n vectors,
// 2 to 8: a block is unpacked once for all of them. stride is in bytes. The constants
// are those of mxfp4Int8AVX512, which is the same for one vector.
TEXT ·mxfp4FewAVX512(SB), NOSPLIT, $0-72
	MOVQ stride+8(FP), R15
	MOVQ rowStep+32(FP), R10
	MOVQ n+64(FP), BX
	LEAQ (R10)(R10*2), R11 // scales of row 3
	MOVQ R10, R8
	SHLQ $4, R8            // bytes of a row
	LEAQ (R8)(R8*2), R9

	VMOVDQU64    fewOffset<>(SB), Z31
	MOVL         $0x00400000, AX         // 2^-127, which scale 0 stands for
	VPBROADCASTD AX, Z28
	MOVL         $0x3f000000, AX         // 0.5
	VPBROADCASTD AX, Z27
	MOVL         $0x04000000, AX         // 4 blocks on in the lanes of scales
	VPBROADCASTD AX, Z26
	MOVL         $0x7f7f7f7f, AX         // 1, four times
	VPBROADCASTD AX, Z25
	MOVQ         $0x8888888888888888, AX
	KMOVQ        AX, K3

rows:
	MOVQ   w+16(FP), SI
	MOVQ   s+24(FP), DI
	MOVQ   nb+40(FP), CX
	MOVQ   x+56(FP), DX
	LEAQ   (SI)(R8*4), R13 // the next four rows
	MOVQ   R13, w+16(FP)
	MOVL   $0xffff, AX
	KMOVW  AX, K2
	VPXORD Z16, Z16, Z16
	VPXORD Z17, Z17, Z17
	VPXORD Z18, Z18, Z18
	VPXORD Z19, Z19, Z19
	VPXORD Z20, Z20, Z20
	VPXORD Z21, Z21, Z21
	VPXORD Z22, Z22, Z22
	VPXORD Z23, Z23, Z23

scales:
	// The scales of up to 16 blocks.
	CMPQ  CX, $16
	JGE   allScales
	MOVL  $1, AX
	SHLL  CX, AX
	DECL  AX
	KMOVW AX, K2

allScales:
	// What is beyond gets an ordinary scale: a small one would be slow to multiply.
	VMOVDQA64    X25, X29
	VMOVDQA64    X25, X8
	VMOVDQA64    X25, X9
	VMOVDQA64    X25, X10
	VMOVDQU8     (DI), K2, X29
	VMOVDQU8     (DI)(R10*1), K2, X8
	VMOVDQU8     (DI)(R10*2), K2, X9
	VMOVDQU8     (DI)(R11*1), K2, X10
	VINSERTI32X4 $1, X8, Z29, Z29
	VINSERTI32X4 $2, X9, Z29, Z29
	VINSERTI32X4 $3, X10, Z29, Z29
	VMOVDQU64    fewLanes<>(SB), Z30
	ADDQ         $16, DI
	MOVQ         $4, R14

loop:
	CMPQ       CX, $4
	JLT        part
	SUBQ       $4, CX
	PREFETCHT1 (R13)
	PREFETCHT1 (R13)(R8*1)
	PREFETCHT1 (R13)(R8*2)
	PREFETCHT1 (R13)(R9*1)
	UNPACK4(WHOLE)

vectors:
	// Half the scales of the blocks.
	VPERMB.Z Z29, Z30, K3, Z24
	VPADDD   Z26, Z30, Z30
	VPSRLD   $1, Z24, Z24
	VPMAXUD  Z28, Z24, Z24
	VMULPS   Z27, Z24, Z24
	VECTOR(Z16)
	VECTOR(Z17)
	MORE(3, Z18)
	MORE(4, Z19)
	MORE(5, Z20)
	MORE(6, Z21)
	MORE(7, Z22)
	MORE(8, Z23)

next:
	ADDQ  $64, SI
	ADDQ  $64, R13
	TESTQ CX, CX
	JZ    done
	DECQ  R14
	JNZ   loop
	JMP   scales

part:
	// 1 to 3 blocks are left.
	SHLL  $2, CX
	MOVL  $1, AX
	SHLL  CX, AX
	DECL  AX
	KMOVW AX, K1
	UNPACK4(PART)
	XORQ  CX, CX
	JMP   vectors

done:
	MOVQ   dst+0(FP), R12
	VXORPS X10, X10, X10
	STORE(1, Z16, Y16)
	STORE(2, Z17, Y17)
	STORE(3, Z18, Y18)
	STORE(4, Z19, Y19)
	STORE(5, Z20, Y20)
	STORE(6, Z21, Y21)
	STORE(7, Z22, Y22)
	STORE(8, Z23, Y23)

stored:
	ADDQ $16, dst+0(FP)
	LEAQ (R10*4), AX
	ADDQ AX, s+24(FP)
	DECQ groups+48(FP)
	JNZ  rows
	VZEROUPPER
	RET

// The tables of mxfp4_avx512_amd64.s.
DATA fewOffset<>+0(SB)/8, $0x8c88868483828180
DATA fewOffset<>+8(SB)/8, $0x74787a7c7d7e7f80
DATA fewOffset<>+16(SB)/8, $0x8c88868483828180
DATA fewOffset<>+24(SB)/8, $0x74787a7c7d7e7f80
DATA fewOffset<>+32(SB)/8, $0x8c88868483828180
DATA fewOffset<>+40(SB)/8, $0x74787a7c7d7e7f80
DATA fewOffset<>+48(SB)/8, $0x8c88868483828180
DATA fewOffset<>+56(SB)/8, $0x74787a7c7d7e7f80
GLOBL fewOffset<>(SB), RODATA|NOPTR, $64

DATA fewLanes<>+0(SB)/8, $0x1000000000000000
DATA fewLanes<>+8(SB)/8, $0x3000000020000000
DATA fewLanes<>+16(SB)/8, $0x1100000001000000
DATA fewLanes<>+24(SB)/8, $0x3100000021000000
DATA fewLanes<>+32(SB)/8, $0x1200000002000000
DATA fewLanes<>+40(SB)/8, $0x3200000022000000
DATA fewLanes<>+48(SB)/8, $0x1300000003000000
DATA fewLanes<>+56(SB)/8, $0x3300000023000000
GLOBL fewLanes<>(SB), RODATA|NOPTR, $64
