package kernel

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Exp stays within its stated error over its whole range.
func TestExpError(t *testing.T) {
	worst := 0.0
	for bits := uint32(0); bits < 0x42b00000; bits += 997 { // 0 to 88
		for _, x := range []float32{math.Float32frombits(bits), -math.Float32frombits(bits)} {
			if x < expMin {
				continue
			}
			want := math.Exp(float64(x))
			worst = max(worst, math.Abs(float64(Exp(x))-want)/want)
		}
	}
	require.Less(t, worst, 1e-7)
	require.Zero(t, Exp(float32(math.Inf(-1))))
	require.Equal(t, float32(1), Exp(0))
	require.Equal(t, Exp(88), Exp(1000))
	require.True(t, isNaN(Exp(float32(math.NaN()))))
}

func TestRMSNorm(t *testing.T) {
	x, weight := []float32{3, -4, 0, 5}, []float32{1, 2, 3, -1}
	dst := make([]float32, 4)
	RMSNorm(dst, x, weight, 1e-5)
	size := math.Sqrt(50./4 + 1e-5)
	for i := range x {
		require.InEpsilon(t, 1+float64(x[i])/size*float64(weight[i]), 1+float64(dst[i]), 1e-6)
	}
}

func TestSoftmax(t *testing.T) {
	eachISA(t, func(t *testing.T, _ *isa) {
		s := []float32{1, 2, 3}
		Softmax(s, 4)
		total := math.Exp(-3) + math.Exp(-2) + math.Exp(-1) + 1
		for i, f := range s {
			require.InEpsilon(t, math.Exp(float64(i)-3)/total, float64(f), 1e-6)
		}
		s = []float32{-7, -7}
		Softmax(s, float32(math.Inf(-1)))
		require.Equal(t, []float32{.5, .5}, s)
	})
}

func TestSwiGLU(t *testing.T) {
	eachISA(t, func(t *testing.T, _ *isa) {
		a := []float32{1, 2, -3, 0.5, 9, 9, -200, -9, 200, 0}
		dst := make([]float32, len(a)/2)
		SwiGLU(dst, a, 7, 1.702)
		for i, got := range dst {
			g, u := math.Min(float64(a[2*i]), 7), math.Max(-7, math.Min(float64(a[2*i+1]), 7))
			require.InDelta(t, g/(1+math.Exp(-1.702*g))*(u+1), float64(got), 1e-5*math.Abs(g*(u+1)))
		}
	})
}

// The levels' elementwise operations agree with the portable ones bit by bit, in
// slices of any length that end where memory ends.
func TestElementwiseTiersAgree(t *testing.T) {
	eachISA(t, func(t *testing.T, k *isa) {
		for kind := range kinds {
			s := newSource(kind)
			for _, n := range []int{0, 1, 7, 8, 9, 31, 32, 64, 100, 128, 131} {
				got, want := guarded(t, make([]float32, n)), make([]float32, n)
				a := guarded(t, s.floats(2*n))
				k.swiglu(got, a, 7, 1.702)
				generic.swiglu(want, a, 7, 1.702)
				requireSame(t, want, got)

				copy(got, a)
				copy(want, a)
				requireSame(t, []float32{generic.expSum(want, 3)}, []float32{k.expSum(got, 3)})
				requireSame(t, want, got)

				half := guarded(t, s.bf16(n))
				for _, f := range []func(k *isa, dst []float32){
					func(k *isa, dst []float32) { k.add(dst, a[n:]) },
					func(k *isa, dst []float32) { k.addScaled(dst, a[0], a[n:]) },
					func(k *isa, dst []float32) { k.addBF16(dst, half) },
				} {
					copy(got, a)
					copy(want, a)
					if n > 0 {
						f(k, got)
						f(generic, want)
					}
					requireSame(t, want, got)
				}

				b := guarded(t, s.bytes(n))
				require.Equal(t, generic.sum64(b), k.sum64(b))
			}
			for _, dim := range []int{1, 8, 12, 32, 40, 64, 128} {
				for _, n := range []int{0, 1, 3, 4, 5, 17} {
					checkAttention(t, s, k, dim, n)
				}
			}
		}
	})
}

func checkAttention(t *testing.T, s *source, k *isa, dim, n int) {
	t.Helper()
	q, rows, half := guarded(t, s.floats(dim)), guarded(t, s.floats(n*dim)), guarded(t, make([]uint16, n*dim))
	RoundBF16(half, s.floats(n*dim))
	got, want := guarded(t, make([]float32, n)), make([]float32, n)
	k.dotsF32(got, q, rows, 0.125)
	generic.dotsF32(want, q, rows, 0.125)
	requireSame(t, want, got)
	k.dotsBF16(got, q, half, 0.125)
	generic.dotsBF16(want, q, half, 0.125)
	requireSame(t, want, got)

	w := guarded(t, s.floats(n))
	got, want = guarded(t, q), append([]float32{}, q...)
	k.addWeightedF32(got, w, rows)
	generic.addWeightedF32(want, w, rows)
	requireSame(t, want, got)
	k.addWeightedBF16(got, w, half)
	generic.addWeightedBF16(want, w, half)
	requireSame(t, want, got)
}

func TestDotsAreRight(t *testing.T) {
	eachISA(t, func(t *testing.T, _ *isa) {
		s := newSource(plain)
		q, keys, half := s.floats(64), s.floats(5*64), make([]uint16, 5*64)
		RoundBF16(half, keys)
		dst, sums := make([]float32, 5), make([]float32, 64)
		for j := range half {
			keys[j] = fromBF16(half[j])
		}
		DotsBF16(dst, q, half, 0.5)
		AddWeightedBF16(sums, dst, half)
		for j := range dst {
			want := 0.0
			for i := range q {
				want += float64(q[i]) * float64(keys[j*64+i]) / 2
			}
			require.InDelta(t, want, float64(dst[j]), 1e-4)
		}
		for i := range sums {
			want := 0.0
			for j := range dst {
				want += float64(dst[j]) * float64(keys[j*64+i])
			}
			require.InDelta(t, want, float64(sums[i]), 1e-4)
		}
	})
}

func TestSum64(t *testing.T) {
	eachISA(t, func(t *testing.T, _ *isa) {
		require.Equal(t, uint64(0x0807060504030201+9+10), Sum64([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}))
	})
}

// TestAddF32 adds numbers of any alignment, which end where memory ends.
func TestAddF32(t *testing.T) {
	eachISA(t, func(t *testing.T, _ *isa) {
		s := newSource(plain)
		for _, n := range []int{0, 1, 7, 8, 9, 64, 131} {
			for skip := range 4 {
				dst, x := s.floats(n), s.floats(n)
				want := make([]float32, n)
				src := make([]byte, skip)
				for i := range x {
					want[i] = dst[i] + x[i]
					src = binary.LittleEndian.AppendUint32(src, math.Float32bits(x[i]))
				}
				src = append(src, make([]byte, (4-skip)%4)...) // so that skip moves the numbers
				AddF32(dst, guarded(t, src)[skip:])
				requireSame(t, want, dst)
			}
		}
	})
}
