#include "textflag.h"

DATA one<>+0(SB)/4, $0x3f800000
GLOBL one<>(SB), RODATA|NOPTR, $4

// sigmoidEnd, sigmoidScale, and sigmoidSteps-2
DATA sigmoid<>+0(SB)/4, $0x41800000
DATA sigmoid<>+4(SB)/4, $0x42fff000
DATA sigmoid<>+8(SB)/4, $4094
GLOBL sigmoid<>(SB), RODATA|NOPTR, $12

// func addAVX(z, x *float32, groups int, w float32)
// z += w*x
TEXT ·addAVX(SB), NOSPLIT, $0-28
	MOVQ         z+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         groups+16(FP), CX
	VBROADCASTSS w+24(FP), Y0

loop:
	VMULPS  (SI), Y0, Y1
	VADDPS  (DI), Y1, Y1
	VMOVUPS Y1, (DI)
	ADDQ    $32, SI
	ADDQ    $32, DI
	DECQ    CX
	JNZ     loop
	VZEROUPPER
	RET

// func add4AVX(z, a, b, c, d *float32, groups int, w *[4]float32)
// z += w[0]*a; z += w[1]*b; z += w[2]*c; z += w[3]*d
TEXT ·add4AVX(SB), NOSPLIT, $0-56
	MOVQ         z+0(FP), DI
	MOVQ         a+8(FP), R8
	MOVQ         b+16(FP), R9
	MOVQ         c+24(FP), R10
	MOVQ         d+32(FP), R11
	MOVQ         groups+40(FP), CX
	MOVQ         w+48(FP), AX
	VBROADCASTSS (AX), Y0
	VBROADCASTSS 4(AX), Y1
	VBROADCASTSS 8(AX), Y2
	VBROADCASTSS 12(AX), Y3
	XORQ         DX, DX

loop:
	VMOVUPS (DI)(DX*1), Y4
	VMULPS  (R8)(DX*1), Y0, Y5
	VMULPS  (R9)(DX*1), Y1, Y6
	VMULPS  (R10)(DX*1), Y2, Y7
	VMULPS  (R11)(DX*1), Y3, Y8
	VADDPS  Y5, Y4, Y4
	VADDPS  Y6, Y4, Y4
	VADDPS  Y7, Y4, Y4
	VADDPS  Y8, Y4, Y4
	VMOVUPS Y4, (DI)(DX*1)
	ADDQ    $32, DX
	DECQ    CX
	JNZ     loop
	VZEROUPPER
	RET

// func descendAVX(w, seen, grads *float32, groups int, rate, factor float32)
// g = factor*grads; seen += g*g; w -= rate*g / sqrt(seen+1)
TEXT ·descendAVX(SB), NOSPLIT, $0-40
	MOVQ         w+0(FP), DI
	MOVQ         seen+8(FP), SI
	MOVQ         grads+16(FP), DX
	MOVQ         groups+24(FP), CX
	VBROADCASTSS rate+32(FP), Y0
	VBROADCASTSS factor+36(FP), Y1
	VBROADCASTSS one<>(SB), Y2

loop:
	VMULPS  (DX), Y1, Y3
	VMULPS  Y3, Y3, Y4
	VADDPS  (SI), Y4, Y4
	VMOVUPS Y4, (SI)
	VADDPS  Y2, Y4, Y4
	VSQRTPS Y4, Y4
	VMULPS  Y3, Y0, Y3
	VDIVPS  Y4, Y3, Y3
	VMOVUPS (DI), Y5
	VSUBPS  Y3, Y5, Y5
	VMOVUPS Y5, (DI)
	ADDQ    $32, DX
	ADDQ    $32, SI
	ADDQ    $32, DI
	DECQ    CX
	JNZ     loop
	VZEROUPPER
	RET

// func sigmoidAVX(dst, z *float32, groups int, table *[sigmoidSteps]float32)
TEXT ·sigmoidAVX(SB), NOSPLIT, $0-32
	MOVQ         dst+0(FP), DI
	MOVQ         z+8(FP), SI
	MOVQ         groups+16(FP), CX
	MOVQ         table+24(FP), AX
	VBROADCASTSS sigmoid<>+0(SB), Y0 // 16
	VBROADCASTSS sigmoid<>+4(SB), Y1
	VPBROADCASTD sigmoid<>+8(SB), Y2
	VXORPS       Y3, Y3, Y3
	VSUBPS       Y0, Y3, Y4          // -16

loop:
	VMOVUPS    (SI), Y5
	VMAXPS     Y4, Y5, Y5
	VMINPS     Y0, Y5, Y5
	VADDPS     Y0, Y5, Y5
	VMULPS     Y1, Y5, Y5       // at
	VCVTTPS2DQ Y5, Y6
	VPMINSD    Y2, Y6, Y6
	VPMAXSD    Y3, Y6, Y6       // i, within the table whatever z is
	VCVTDQ2PS  Y6, Y7
	VSUBPS     Y7, Y5, Y5       // at-i
	VPCMPEQD   Y8, Y8, Y8
	VGATHERDPS Y8, (AX)(Y6*4), Y9
	VPCMPEQD   Y8, Y8, Y8
	VGATHERDPS Y8, 4(AX)(Y6*4), Y10
	VSUBPS     Y9, Y10, Y10
	VMULPS     Y10, Y5, Y5
	VADDPS     Y5, Y9, Y9
	VMOVUPS    Y9, (DI)
	ADDQ       $32, SI
	ADDQ       $32, DI
	DECQ       CX
	JNZ        loop
	VZEROUPPER
	RET
