package infer

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"testing"

	"expertfs/checkpoint/config"

	"github.com/stretchr/testify/require"
)

// TestExactFunctions compares with package math, which is right to a unit in the
// last place or so.
func TestExactFunctions(t *testing.T) {
	const ulp = 0x1p-52
	for i := range 200_000 {
		x := float64(i) * -0.00371
		require.InDelta(t, math.Exp(x), expBelow0(x), 2*ulp*math.Exp(x)+1e-320, "e^%g", x)
		x = float64(i) * 0.6553
		wantSin, wantCos := math.Sincos(x)
		sin, cos := sincos(x)
		require.InDelta(t, wantSin, sin, 2*ulp, "sin %g", x)
		require.InDelta(t, wantCos, cos, 2*ulp, "cos %g", x)
	}
	require.Zero(t, expBelow0(math.Inf(-1)))
	require.True(t, math.IsNaN(expBelow0(math.NaN())))
	require.Equal(t, 1.0, expBelow0(0))
	for j, f := range frequencies(150000, 32) {
		want := math.Pow(150000, -float64(j)/32)
		require.InDelta(t, want, f, 8*ulp*want)
	}
	require.Equal(t, []float64{1}, frequencies(150000, 1))
	require.Equal(t, []float64{1, 0.0625}, frequencies(256, 2))
}

// TestEveryMachineTurnsAlike pins the bits of rotations and of experts' weights,
// which so are those of every processor that passes.
func TestEveryMachineTurnsAlike(t *testing.T) {
	hash := fnv.New64a()
	put := func(f float32) { _ = binary.Write(hash, binary.LittleEndian, math.Float32bits(f)) }
	c := config.Rope{Theta: 150000, Factor: 32, InitialContext: 4096, Beta: 32, Alpha: 1}
	r := newRope(64, c)
	for _, f := range append(r.frequency, r.scale) {
		_ = binary.Write(hash, binary.LittleEndian, f)
	}
	cos, sin := make([]float32, 32), make([]float32, 32)
	for position := 0; position < 131072; position += 37 {
		r.angles(cos, sin, position)
		for j := range cos {
			put(cos[j])
			put(sin[j])
		}
	}
	w := make([]float32, 4)
	for i := range 10_000 {
		expertWeights(w, []float32{float32(i) * 0.001, 1.7, -3, 0.01}, []int{0, 1, 2, 3})
		for _, f := range w {
			put(f)
		}
	}
	require.Equal(t, uint64(0x6de84d1f06247f4d), hash.Sum64())
}
