#include "textflag.h"
#include "neon_arm64.h"

#define B 0
#define N 1

// func sum64NEON(b *byte, n int) uint64
// Sums n groups of 128 bytes as 64-bit words.
TEXT ·sum64NEON(SB), NOSPLIT, $0-24
	MOVD b+0(FP), R(B)
	MOVD n+8(FP), R(N)
	ZERO(0)
	ZERO(1)
	ZERO(2)
	ZERO(3)

loop:
	PRFM 2048(R(B)), PLDL1KEEP
	PRFM 2112(R(B)), PLDL1KEEP
	LDPQ(4, 5, B, 0)
	LDPQ(6, 7, B, 32)
	LDPQ(16, 17, B, 64)
	LDPQ(18, 19, B, 96)
	ADD2D(0, 0, 4)
	ADD2D(1, 1, 5)
	ADD2D(2, 2, 6)
	ADD2D(3, 3, 7)
	ADD2D(0, 0, 16)
	ADD2D(1, 1, 17)
	ADD2D(2, 2, 18)
	ADD2D(3, 3, 19)
	ADD  $128, R(B)
	SUBS $1, R(N)
	BNE  loop

	ADD2D(0, 0, 1)
	ADD2D(2, 2, 3)
	ADD2D(0, 0, 2)
	ADDPD(0, 0)
	FMOVD F0, ret+16(FP)
	RET
