package kernel

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWidenInt8(t *testing.T) {
	eachISA(t, func(t *testing.T, k *isa) {
		if k.widenInt8 == nil {
			t.Skip("this level leaves it to plain Go")
		}
		for n := range 100 {
			src := guarded(t, make([]int8, n))
			for i := range src {
				src[i] = int8(i*37 - 128)
			}
			got, want := guarded(t, make([]float32, n)), make([]float32, n)
			k.widenInt8(got, src)
			for i, v := range src {
				want[i] = float32(v)
			}
			requireSame(t, want, got)
		}
	})
}

func TestRoundInt8(t *testing.T) {
	dst := make([]int8, 5)
	require.Zero(t, RoundInt8(dst, make([]float32, 5)))
	require.Equal(t, make([]int8, 5), dst)
	scale := RoundInt8(dst, []float32{254, -254, 1, 3, -100.9})
	require.EqualValues(t, 2, scale)
	require.Equal(t, []int8{127, -127, 0, 2, -50}, dst)
	s := newSource(plain)
	x := s.floats(64)
	q := make([]int8, 64)
	scale = RoundInt8(q, x)
	for i, f := range x {
		require.InDelta(t, f, float32(q[i])*scale, float64(scale)/2*1.0001)
	}
	require.False(t, math.IsNaN(float64(RoundInt8(q, []float32{1e-45, 0}))))
}
