package mxfp4

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryValue decodes each code with each scale in both halves of a byte.
func TestEveryValue(t *testing.T) {
	positive := []float64{0, 0.5, 1, 1.5, 2, 3, 4, 6}
	for scale := range 256 {
		blocks := make([]byte, 2*BlockBytes)
		for k := range BlockBytes {
			blocks[BlockBytes+k] = byte(k | (15-k)<<4)
		}
		dst := make([]float32, 2*BlockLen)
		Decode(dst, blocks, []byte{127, byte(scale)})
		require.Equal(t, make([]float32, BlockLen), dst[:BlockLen])
		for i, got := range dst[BlockLen:] {
			code := i / 2
			if i%2 == 1 {
				code = 15 - i/2
			}
			if scale == ScaleNaN {
				require.True(t, math.IsNaN(float64(got)))
				continue
			}
			want := math.Ldexp(positive[code%8], scale-ScaleBias)
			if code >= 8 {
				want = -want
			}
			require.Equal(t, float32(want), got, "code %d scale %d", code, scale)
			require.Equal(t, code >= 8, math.Signbit(float64(got)))
		}
	}
}
