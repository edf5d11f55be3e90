package rows

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/cpu"
)

// TestVectorsAreThePortableCode: bit for bit, for rows of every length, and what
// is behind a row stays.
func TestVectorsAreThePortableCode(t *testing.T) {
	if !cpu.X86.HasAVX2 {
		t.Skip("the processor has no AVX2")
	}
	defer func(was bool) { vectors = was }(vectors)
	rng := rand.New(rand.NewPCG(1, 2))
	row := func(n int) []float32 {
		r := make([]float32, n)
		for i := range r {
			r[i] = float32(rng.NormFloat64())
		}
		return r
	}
	for n := range 70 {
		x := [4][]float32{row(n), row(n), row(n), row(n)}
		w := [4]float32(row(4))
		grads, rate := row(n), rng.Float32()
		seen := row(n + 9)
		for i := range seen {
			seen[i] *= seen[i]
		}
		start := row(n + 9)
		z := row(n)
		for i := range z {
			z[i] *= 10
		}
		var got [2][5][]float32
		for i := range got {
			vectors = i == 1
			added, added4 := slices.Clone(start), slices.Clone(start)
			weights, squares := slices.Clone(start), slices.Clone(seen)
			Add(added[:n], x[0], w[0])
			Add4(added4[:n], &x, &w)
			Descend(weights, squares, grads, rate, w[1])
			chances := slices.Clone(start)
			Sigmoids(chances, z)
			got[i] = [...][]float32{added, added4, weights, squares, chances}
		}
		require.Equal(t, got[0], got[1], "%d numbers", n)
		for _, changed := range got[1] {
			if n > 0 {
				require.NotEqual(t, start[:n], changed[:n])
			}
		}
		require.Equal(t, start[n:], got[1][0][n:])
		require.Equal(t, start[n:], got[1][2][n:])
		require.Equal(t, seen[n:], got[1][3][n:])
		require.Equal(t, start[n:], got[1][4][n:])
	}
}

// TestSigmoid: close to the function, monotone, and defined everywhere.
func TestSigmoid(t *testing.T) {
	defer func(was bool) { vectors = was }(vectors)
	inf := float32(math.Inf(1))
	for _, vectors = range []bool{false, cpu.X86.HasAVX2} {
		z := []float32{-inf, -1e30, -16.01}
		for x := float32(-16); x <= 16; x += 0.003 {
			z = append(z, x)
		}
		z = append(z, 16, 16.01, 1e30, inf)
		got := make([]float32, len(z))
		Sigmoids(got, z)
		require.True(t, slices.IsSorted(got))
		for i, x := range z {
			require.InDelta(t, 1/(1+math.Exp(-float64(x))), got[i], 2e-6)
			require.Equal(t, Sigmoid(x), got[i])
		}
	}
}
