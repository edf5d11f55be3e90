// Vector instructions, of which Go's assembler knows few. Registers are numbers
// here, so that a file can give them names: F(ACC) is what Go itself calls the
// vector register of the name ACC, and R(SRC) a general one. Operands stand in the
// order of Arm's manual, the result first. TestEncodings disassembles each.

// Loads and stores: t is a vector, x the general register of the address.
#define LDRQ(t, x, off) FMOVQ off(R(x)), F(t)
#define STRQ(t, x, off) FMOVQ F(t), off(R(x))
#define LDRQP(t, x, step) FMOVQ.P step(R(x)), F(t)
#define LDPQ(t, u, x, off) WORD $(0xad400000 | ((((off)/16)&127)<<15) | (u)<<10 | (x)<<5 | (t)) // ldp qt, qu, [xx, #off]
#define STPQ(t, u, x, off) WORD $(0xad000000 | ((((off)/16)&127)<<15) | (u)<<10 | (x)<<5 | (t)) // stp qt, qu, [xx, #off]
#define LD1R4S(t, x) WORD $(0x4d40c800 | (x)<<5 | (t)) // ld1r {vt.4s}, [xx]
#define LD1R4SP(t, x) WORD $(0x4ddfc800 | (x)<<5 | (t)) // ld1r {vt.4s}, [xx], #4
#define LD1SP(t, i, x) WORD $(0x0ddf8000 | ((i)>>1)<<30 | ((i)&1)<<12 | (x)<<5 | (t)) // ld1 {vt.s}[i], [xx], #4
#define LD1BP(t, i, x) WORD $(0x0ddf0000 | ((i)>>3)<<30 | (((i)>>2)&1)<<12 | ((i)&3)<<10 | (x)<<5 | (t)) // ld1 {vt.b}[i], [xx], #1
#define ST1S(t, i, x) WORD $(0x0d008000 | ((i)>>1)<<30 | ((i)&1)<<12 | (x)<<5 | (t)) // st1 {vt.s}[i], [xx]

// Bits, and moves between lanes.
#define ZERO(d) WORD $(0x6f00e400 | (d)) // movi vd.2d, #0x0
#define ONES(d) WORD $(0x6f07e7e0 | (d)) // movi vd.2d, #0xffffffffffffffff
#define NIBBLES(d) WORD $(0x4f00e5e0 | (d)) // movi vd.16b, #0xf
#define MOV16B(d, n) WORD $(0x4ea01c00 | (n)<<16 | (n)<<5 | (d)) // mov vd.16b, vn.16b
#define AND16B(d, n, m) WORD $(0x4e201c00 | (m)<<16 | (n)<<5 | (d)) // and vd.16b, vn.16b, vm.16b
#define BIC16B(d, n, m) WORD $(0x4e601c00 | (m)<<16 | (n)<<5 | (d)) // bic vd.16b, vn.16b, vm.16b
#define ORR16B(d, n, m) WORD $(0x4ea01c00 | (m)<<16 | (n)<<5 | (d)) // orr vd.16b, vn.16b, vm.16b
#define BIT16B(d, n, m) WORD $(0x6ea01c00 | (m)<<16 | (n)<<5 | (d)) // bit vd.16b, vn.16b, vm.16b
#define BIF16B(d, n, m) WORD $(0x6ee01c00 | (m)<<16 | (n)<<5 | (d)) // bif vd.16b, vn.16b, vm.16b
#define SHL4S(d, n, s) WORD $(0x4f005400 | (32+(s))<<16 | (n)<<5 | (d)) // shl vd.4s, vn.4s, #s
#define USHR4S(d, n, s) WORD $(0x6f000400 | (64-(s))<<16 | (n)<<5 | (d)) // ushr vd.4s, vn.4s, #s
#define USHR16B(d, n, s) WORD $(0x6f000400 | (16-(s))<<16 | (n)<<5 | (d)) // ushr vd.16b, vn.16b, #s
#define SHLL4S(d, n) WORD $(0x2e613800 | (n)<<5 | (d)) // shll vd.4s, vn.4h, #16
#define SHLL24S(d, n) WORD $(0x6e613800 | (n)<<5 | (d)) // shll2 vd.4s, vn.8h, #16
#define DUP4S(d, n, i) WORD $(0x4e040400 | (i)<<19 | (n)<<5 | (d)) // dup vd.4s, vn.s[i]
#define DUP2D(d, n, i) WORD $(0x4e080400 | (i)<<20 | (n)<<5 | (d)) // dup vd.2d, vn.d[i]
#define DUP4SW(d, x) WORD $(0x4e040c00 | (x)<<5 | (d)) // dup vd.4s, wx
#define TBL16B(d, n, m) WORD $(0x4e000000 | (m)<<16 | (n)<<5 | (d)) // tbl vd.16b, {vn.16b}, vm.16b
#define ZIP1B(d, n, m) WORD $(0x4e003800 | (m)<<16 | (n)<<5 | (d)) // zip1 vd.16b, vn.16b, vm.16b
#define ZIP2B(d, n, m) WORD $(0x4e007800 | (m)<<16 | (n)<<5 | (d)) // zip2 vd.16b, vn.16b, vm.16b
#define ZIP1S(d, n, m) WORD $(0x4e803800 | (m)<<16 | (n)<<5 | (d)) // zip1 vd.4s, vn.4s, vm.4s
#define ZIP2S(d, n, m) WORD $(0x4e807800 | (m)<<16 | (n)<<5 | (d)) // zip2 vd.4s, vn.4s, vm.4s
#define ZIP1D(d, n, m) WORD $(0x4ec03800 | (m)<<16 | (n)<<5 | (d)) // zip1 vd.2d, vn.2d, vm.2d
#define ZIP2D(d, n, m) WORD $(0x4ec07800 | (m)<<16 | (n)<<5 | (d)) // zip2 vd.2d, vn.2d, vm.2d
#define UZP1B(d, n, m) WORD $(0x4e001800 | (m)<<16 | (n)<<5 | (d)) // uzp1 vd.16b, vn.16b, vm.16b
#define UZP1H(d, n, m) WORD $(0x4e401800 | (m)<<16 | (n)<<5 | (d)) // uzp1 vd.8h, vn.8h, vm.8h
#define UZP1S(d, n, m) WORD $(0x4e801800 | (m)<<16 | (n)<<5 | (d)) // uzp1 vd.4s, vn.4s, vm.4s
#define UZP2S(d, n, m) WORD $(0x4e805800 | (m)<<16 | (n)<<5 | (d)) // uzp2 vd.4s, vn.4s, vm.4s

// Integers.
#define ADD4S(d, n, m) WORD $(0x4ea08400 | (m)<<16 | (n)<<5 | (d)) // add vd.4s, vn.4s, vm.4s
#define ADD2D(d, n, m) WORD $(0x4ee08400 | (m)<<16 | (n)<<5 | (d)) // add vd.2d, vn.2d, vm.2d
#define ADDP8H(d, n, m) WORD $(0x4e60bc00 | (m)<<16 | (n)<<5 | (d)) // addp vd.8h, vn.8h, vm.8h
#define ADDP4S(d, n, m) WORD $(0x4ea0bc00 | (m)<<16 | (n)<<5 | (d)) // addp vd.4s, vn.4s, vm.4s
#define ADDPD(d, n) WORD $(0x5ef1b800 | (n)<<5 | (d)) // addp dd, vn.2d
#define ADDVS(d, n) WORD $(0x4eb1b800 | (n)<<5 | (d)) // addv sd, vn.4s
#define UMAX4S(d, n, m) WORD $(0x6ea06400 | (m)<<16 | (n)<<5 | (d)) // umax vd.4s, vn.4s, vm.4s
#define UMAXVS(d, n) WORD $(0x6eb0a800 | (n)<<5 | (d)) // umaxv sd, vn.4s
#define SMULL(d, n, m) WORD $(0x0e20c000 | (m)<<16 | (n)<<5 | (d)) // smull vd.8h, vn.8b, vm.8b
#define SMULL2(d, n, m) WORD $(0x4e20c000 | (m)<<16 | (n)<<5 | (d)) // smull2 vd.8h, vn.16b, vm.16b
#define SMLAL(d, n, m) WORD $(0x0e208000 | (m)<<16 | (n)<<5 | (d)) // smlal vd.8h, vn.8b, vm.8b
#define SMLAL2(d, n, m) WORD $(0x4e208000 | (m)<<16 | (n)<<5 | (d)) // smlal2 vd.8h, vn.16b, vm.16b
#define SADDLP4S(d, n) WORD $(0x4e602800 | (n)<<5 | (d)) // saddlp vd.4s, vn.8h
#define SADALP4S(d, n) WORD $(0x4e606800 | (n)<<5 | (d)) // sadalp vd.4s, vn.8h

// Floats.
#define FADD4S(d, n, m) WORD $(0x4e20d400 | (m)<<16 | (n)<<5 | (d)) // fadd vd.4s, vn.4s, vm.4s
#define FSUB4S(d, n, m) WORD $(0x4ea0d400 | (m)<<16 | (n)<<5 | (d)) // fsub vd.4s, vn.4s, vm.4s
#define FMUL4S(d, n, m) WORD $(0x6e20dc00 | (m)<<16 | (n)<<5 | (d)) // fmul vd.4s, vn.4s, vm.4s
#define FMUL4SE(d, n, m, i) WORD $(0x4f809000 | ((i)&1)<<21 | ((i)>>1)<<11 | (m)<<16 | (n)<<5 | (d)) // fmul vd.4s, vn.4s, vm.s[i]
#define FDIV4S(d, n, m) WORD $(0x6e20fc00 | (m)<<16 | (n)<<5 | (d)) // fdiv vd.4s, vn.4s, vm.4s
#define FMLA4S(d, n, m) WORD $(0x4e20cc00 | (m)<<16 | (n)<<5 | (d)) // fmla vd.4s, vn.4s, vm.4s
#define FNEG4S(d, n) WORD $(0x6ea0f800 | (n)<<5 | (d)) // fneg vd.4s, vn.4s
#define FCMEQ4S(d, n, m) WORD $(0x4e20e400 | (m)<<16 | (n)<<5 | (d)) // fcmeq vd.4s, vn.4s, vm.4s
#define FCMGT4S(d, n, m) WORD $(0x6ea0e400 | (m)<<16 | (n)<<5 | (d)) // fcmgt vd.4s, vn.4s, vm.4s
#define SCVTF4S(d, n) WORD $(0x4e21d800 | (n)<<5 | (d)) // scvtf vd.4s, vn.4s
#define FCVTNS4S(d, n) WORD $(0x4e21a800 | (n)<<5 | (d)) // fcvtns vd.4s, vn.4s

// Integer dot products (ASIMDDP) and products of matrices of 2 rows of 8 (I8MM).
#define SDOT4S(d, n, m) WORD $(0x4e809400 | (m)<<16 | (n)<<5 | (d)) // sdot vd.4s, vn.16b, vm.16b
#define SDOT4SE(d, n, m, i) WORD $(0x4f80e000 | ((i)&1)<<21 | ((i)>>1)<<11 | (m)<<16 | (n)<<5 | (d)) // sdot vd.4s, vn.16b, vm.4b[i]
#define SMMLA4S(d, n, m) WORD $(0x4e80a400 | (m)<<16 | (n)<<5 | (d)) // smmla vd.4s, vn.16b, vm.16b
