#include "textflag.h"

DATA nibbles<>+0(SB)/8, $0x0F0F0F0F0F0F0F0F
DATA nibbles<>+8(SB)/8, $0x0F0F0F0F0F0F0F0F
GLOBL nibbles<>(SB), RODATA|NOPTR, $16

// Weights 1 and 16 of a pair of values in a byte.
DATA pairs<>+0(SB)/8, $0x1001100110011001
DATA pairs<>+8(SB)/8, $0x1001100110011001
GLOBL pairs<>(SB), RODATA|NOPTR, $16

// func splitAVX(blocks, scales, src *byte, n int)
//
// A block is a scale and 16 bytes. Their low nibbles are the first 16 values and
// their high nibbles the last 16; each two neighbours make a byte.
TEXT ·splitAVX(SB), NOSPLIT, $0-32
	MOVQ    blocks+0(FP), DI
	MOVQ    scales+8(FP), DX
	MOVQ    src+16(FP), SI
	MOVQ    n+24(FP), CX
	VMOVDQU nibbles<>(SB), X6
	VMOVDQU pairs<>(SB), X7

loop:
	MOVBLZX    (SI), AX
	VMOVDQU    1(SI), X0
	MOVB       AX, (DX)
	VPSRLW     $4, X0, X1
	VPAND      X6, X0, X0
	VPAND      X6, X1, X1
	VPMADDUBSW X7, X0, X0
	VPMADDUBSW X7, X1, X1
	VPACKUSWB  X1, X0, X0
	VMOVDQU    X0, (DI)
	ADDQ       $17, SI
	ADDQ       $16, DI
	INCQ       DX
	DECQ       CX
	JNZ        loop
	RET
