package kernel

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// RMSNorm sets dst to x / sqrt(mean(x^2) + eps) * weight, element by element.
// The mean is taken in float64. dst may be x.
func RMSNorm(dst, x, weight []float32, eps float32) {
	mean := sumSquares(x) / float64(len(x))
	scale := float32(1 / math.Sqrt(mean+float64(eps)))
	for i, f := range x {
		dst[i] = float32(f*scale) * weight[i]
	}
}

// sumSquares takes the sum in four parts, which are independent for the processor.
func sumSquares(x []float32) float64 {
	var a, b, c, d float64
	for ; len(x) >= 4; x = x[4:] {
		a += float64(float64(x[0]) * float64(x[0]))
		b += float64(float64(x[1]) * float64(x[1]))
		c += float64(float64(x[2]) * float64(x[2]))
		d += float64(float64(x[3]) * float64(x[3]))
	}
	for _, f := range x {
		a += float64(float64(f) * float64(f))
	}
	return (a + b) + (c + d)
}

// Add adds x to the first elements of dst.
func Add(dst, x []float32) { active.add(dst[:len(x)], x) }

// AddScaled adds a*x, rounded, to the first elements of dst.
func AddScaled(dst []float32, a float32, x []float32) { active.addScaled(dst[:len(x)], a, x) }

// AddBF16 adds len(dst) little-endian bfloat16 numbers to dst.
func AddBF16(dst []float32, src []byte) { active.addBF16(dst, src[:2*len(dst)]) }

// AddF32 adds len(dst) little-endian float32 numbers to dst.
func AddF32(dst []float32, src []byte) {
	if len(dst) == 0 {
		return
	}
	if p := unsafe.Pointer(&src[:4*len(dst)][0]); uintptr(p)%4 == 0 {
		active.add(dst, unsafe.Slice((*float32)(p), len(dst)))
		return
	}
	for i := range dst { // files may place them anywhere
		dst[i] += math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

// RoundBF16 sets dst to src rounded to bfloat16, ties to even.
func RoundBF16(dst []uint16, src []float32) {
	for i, f := range src {
		dst[i] = toBF16(f)
	}
}

// SwiGLU is GPT-OSS's activation function. a has the gate and the linear part
// of each element side by side: with g = min(a[2i], limit) and
// u = a[2i+1] clamped to -limit..limit, dst[i] = g*(u+1) / (1 + exp(-alpha*g)).
// Rounding is after each operation; exp is Exp.
func SwiGLU(dst, a []float32, limit, alpha float32) {
	active.swiglu(dst, a[:2*len(dst)], limit, alpha)
}

// Softmax sets s to exp(s[i]-m) / (sum of all exp(s[j]-m) + exp(sink-m)), m being
// the largest of s and sink. The sink is a score that takes a share and has no
// place in s; minus infinity stands for none. The sum is taken in 8 parts,
// s[i] going to part i%8, which are added as halves (i and i+4, i and i+2, the
// last two), and then the sink.
func Softmax(s []float32, sink float32) {
	m := sink
	for _, f := range s {
		if f > m {
			m = f
		}
	}
	share := 1 / (active.expSum(s, m) + Exp(sink-m))
	for i := range s {
		s[i] *= share
	}
}

// DotsF32 sets dst[j] to scale times the dot product of q and the j-th of the
// keys, which lie one after the other. A product is taken in 8 parts, element i
// going to part i%8 by fused multiply-add, which are added as halves.
func DotsF32(dst, q, keys []float32, scale float32) {
	active.dotsF32(dst, q, keys[:len(dst)*len(q)], scale)
}

// DotsBF16 is DotsF32 for keys in bfloat16, with the difference that element i
// goes to part i%16/2.
func DotsBF16(dst, q []float32, keys []uint16, scale float32) {
	active.dotsBF16(dst, q, keys[:len(dst)*len(q)], scale)
}

// AddWeightedF32 adds to dst, for each j in turn, w[j] times the j-th of the
// values, which lie one after the other, by fused multiply-add.
func AddWeightedF32(dst, w, values []float32) {
	active.addWeightedF32(dst, w, values[:len(w)*len(dst)])
}

// AddWeightedBF16 is AddWeightedF32 for values in bfloat16.
func AddWeightedBF16(dst, w []float32, values []uint16) {
	active.addWeightedBF16(dst, w, values[:len(w)*len(dst)])
}

// Exp is e^x, 0 below -87 and constant above 88. In between it is off by at
// most 1e-7 of the result.
func Exp(x float32) float32 {
	if x < expMin {
		return 0
	}
	if x > expMax {
		x = expMax
	}
	// x = n ln 2 + r. Adding a large number leaves n in the last bits; ln 2 is
	// split so that n times the first part is exact.
	t := float32(x*log2e) + expShift
	n := t - expShift
	r := (x - float32(n*ln2Hi)) - float32(n*ln2Lo)
	p := float32(exp5)
	for _, c := range [...]float32{exp4, exp3, exp2, exp1, exp0} {
		p = float32(p*r) + c
	}
	p = (float32(p*float32(r*r)) + r) + 1
	return p * math.Float32frombits(math.Float32bits(t)<<23+0x3f800000)
}

// The constants of Exp. exp0 to exp5 are the polynomial (e^r - 1 - r) / r^2 for
// |r| <= ln(2)/2.
const (
	expMin   = -87
	expMax   = 88
	log2e    = 1.44269504088896341
	expShift = 3 << 22
	ln2Hi    = 0.693359375
	ln2Lo    = -2.12194440e-4
	exp0     = 5.0000001201e-1
	exp1     = 1.6666665459e-1
	exp2     = 4.1665795894e-2
	exp3     = 8.3334519073e-3
	exp4     = 1.3981999507e-3
	exp5     = 1.9875691500e-4
)

// Sum64 adds up b as little-endian 64-bit words, and what is left over as
// bytes. It reads memory as fast as the processor can: a limit that other
// kernels are measured against, and a way to touch every byte of a mapping.
func Sum64(b []byte) uint64 { return active.sum64(b) }
