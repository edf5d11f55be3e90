#include "textflag.h"

// func splitNEON(blocks, scales, src *byte, n int)
//
// A block is a scale and 16 bytes, whose low nibbles are the first 16 values and
// whose high nibbles are the last 16; each two neighbours make a byte. The blocks
// come from a drive and go to fresh memory: what is ahead is asked for.
TEXT ·splitNEON(SB), NOSPLIT, $0-32
	MOVD  blocks+0(FP), R0
	MOVD  scales+8(FP), R1
	MOVD  src+16(FP), R2
	MOVD  n+24(FP), R3
	VMOVI $15, V5.B16

loop:
	PRFM    1088(R2), PLDL1KEEP
	MOVBU.P 1(R2), R4
	VLD1.P  16(R2), [V0.B16]
	VUSHR   $4, V0.B16, V1.B16
	VAND    V5.B16, V0.B16, V0.B16
	VUZP1   V1.B16, V0.B16, V2.B16 // the first of each two
	VUZP2   V1.B16, V0.B16, V3.B16
	VSLI    $4, V3.B16, V2.B16
	MOVB.P  R4, 1(R1)
	VST1.P  [V2.B16], 16(R0)
	SUBS    $1, R3
	BNE     loop
	RET
