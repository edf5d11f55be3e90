#include "textflag.h"

DATA nibbles<>+0(SB)/8, $0x0F0F0F0F0F0F0F0F
DATA nibbles<>+8(SB)/8, $0x0F0F0F0F0F0F0F0F
DATA nibbles<>+16(SB)/8, $0x0F0F0F0F0F0F0F0F
DATA nibbles<>+24(SB)/8, $0x0F0F0F0F0F0F0F0F
GLOBL nibbles<>(SB), RODATA|NOPTR, $32

// Weights 1 and 16 of a pair of values in a byte.
DATA pairs<>+0(SB)/8, $0x1001100110011001
DATA pairs<>+8(SB)/8, $0x1001100110011001
DATA pairs<>+16(SB)/8, $0x1001100110011001
DATA pairs<>+24(SB)/8, $0x1001100110011001
GLOBL pairs<>(SB), RODATA|NOPTR, $32

// Values of two blocks in the order of ggml, one in each half of A: the low nibbles
// are the first 16 and the high nibbles the last 16. Each two neighbours make a byte.
#define GGML(A, B) \
	VPSRLW     $4, A, B \
	VPAND      Y6, A, A \
	VPAND      Y6, B, B \
	VPMADDUBSW Y7, A, A \
	VPMADDUBSW Y7, B, B \
	VPACKUSWB  B, A, A

// Values in the order that they are to have.
#define OLLAMA(A, B)

// Two blocks, a scale and 16 bytes each, from S(SI) on.
#define TWO(ORDER, S, D, N, X, A, B) \
	VMOVDQU     (S+1)(SI), X         \
	VINSERTI128 $1, (S+18)(SI), A, A \
	MOVBLZX     (S)(SI), AX          \
	MOVBLZX     (S+17)(SI), BX       \
	ORDER(A, B)                      \
	MOVB        AX, (N)(DX)          \
	MOVB        BX, (N+1)(DX)        \
	VMOVNTDQ    A, (D)(DI)

// One block.
#define ONE(ORDER) \
	MOVBLZX    (SI), AX   \
	VMOVDQU    1(SI), X0  \
	MOVB       AX, (DX)   \
	ORDER(Y0, Y1)         \
	VMOVDQU    X0, (DI)   \
	ADDQ       $17, SI    \
	ADDQ       $16, DI    \
	INCQ       DX         \
	DECQ       CX

// The blocks come from a drive: what is ahead is asked for. They go to fresh memory:
// whole cache lines of it are written past the cache, which would read them first.
// Others see them after fence.
#define SPLIT(ORDER) \
	MOVQ       blocks+0(FP), DI     \
	MOVQ       scales+8(FP), DX     \
	MOVQ       src+16(FP), SI       \
	MOVQ       n+24(FP), CX         \
	VMOVDQU    nibbles<>(SB), Y6    \
	VMOVDQU    pairs<>(SB), Y7      \
head:                               \
	TESTQ      $63, DI              \
	JZ         lines                \
	ONE(ORDER)                      \
	JNZ        head                 \
	JMP        done                 \
lines:                              \
	SUBQ       $4, CX               \
	JLT        rest                 \
four:                               \
	PREFETCHT0 1088(SI)             \
	TWO(ORDER, 0, 0, 0, X0, Y0, Y1) \
	TWO(ORDER, 34, 32, 2, X2, Y2, Y3) \
	ADDQ       $68, SI              \
	ADDQ       $64, DI              \
	ADDQ       $4, DX               \
	SUBQ       $4, CX               \
	JGE        four                 \
rest:                               \
	ADDQ       $4, CX               \
	JZ         done                 \
one:                                \
	ONE(ORDER)                      \
	JNZ        one                  \
done:                               \
	VZEROUPPER                      \
	RET

// func splitGGMLAVX2(blocks, scales, src *byte, n int)
TEXT ·splitGGMLAVX2(SB), NOSPLIT, $0-32
	SPLIT(GGML)

// func splitOllamaAVX2(blocks, scales, src *byte, n int)
TEXT ·splitOllamaAVX2(SB), NOSPLIT, $0-32
	SPLIT(OLLAMA)

// func fence()
TEXT ·fence(SB), NOSPLIT, $0-0
	SFENCE
	RET
