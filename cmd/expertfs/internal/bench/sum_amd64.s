#include "textflag.h"

// Adds 16 bytes at off of the group to a sum.
#define ADD(off, tmp, sum) \
	MOVOU off(SI), tmp \
	PADDQ tmp, sum

// func sumSSE2(b *byte, n int) uint64
TEXT ·sumSSE2(SB), NOSPLIT, $0-24
	MOVQ b+0(FP), SI
	MOVQ n+8(FP), CX
	PXOR X0, X0
	PXOR X1, X1
	PXOR X2, X2
	PXOR X3, X3
	TESTQ CX, CX
	JZ   done

loop:
	// Prefetches beyond the end of the memory do nothing.
	PREFETCHT0 4096(SI)
	PREFETCHT0 4160(SI)
	ADD(0, X4, X0)
	ADD(16, X5, X1)
	ADD(32, X6, X2)
	ADD(48, X7, X3)
	ADD(64, X4, X0)
	ADD(80, X5, X1)
	ADD(96, X6, X2)
	ADD(112, X7, X3)
	SUBQ $-128, SI
	DECQ CX
	JNZ  loop

done:
	PADDQ  X1, X0
	PADDQ  X3, X2
	PADDQ  X2, X0
	MOVQ   X0, AX
	PSRLDQ $8, X0
	MOVQ   X0, BX
	ADDQ   BX, AX
	MOVQ   AX, ret+16(FP)
	RET
