package mxfp4

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDequantizeOrderAndScale(t *testing.T) {
	blocks := make([]byte, 2*BlockBytes)
	for k := range BlockBytes {
		blocks[k] = byte(k) | byte(15-k)<<4
		blocks[BlockBytes+k] = 0x72 // low half 2 is 1, high half 7 is 6
	}
	out := make([]float32, 2*BlockLen)
	require.NoError(t, Dequantize(out, blocks, []byte{128, 124}))
	codes := []float32{0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6}
	for k := range BlockBytes {
		require.Equal(t, 2*codes[k], out[2*k])
		require.Equal(t, 2*codes[15-k], out[2*k+1])
		require.Equal(t, float32(0.125), out[BlockLen+2*k])
		require.Equal(t, float32(0.75), out[BlockLen+2*k+1])
	}
	require.True(t, math.Signbit(float64(out[2*8])), "code 8 is minus zero")
}

func TestScaleIsExact(t *testing.T) {
	for s := range ScaleNaN {
		require.Equal(t, math.Exp2(float64(s)-127), float64(Scale(byte(s))))
	}
}

func TestDequantizeRefuses(t *testing.T) {
	out, blocks := make([]float32, 64), make([]byte, 32)
	require.ErrorContains(t, Dequantize(out, blocks, []byte{0, 255}), "scale of block 1 is 255")
	require.NoError(t, CheckScales([]byte{0, 254}))
	require.ErrorContains(t, Dequantize(out[1:], blocks, []byte{0, 0}), "63 values, 32 block bytes and 2 scales")
	require.ErrorContains(t, Dequantize(out, blocks[1:], []byte{0, 0}), "do not belong together")
	require.ErrorContains(t, Quantize(blocks, []byte{0}, out), "do not belong together")
}

func TestQuantizeRefusesWhatIsNotFinite(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		src := make([]float32, BlockLen)
		src[7] = float32(v)
		require.ErrorContains(t, Quantize(make([]byte, BlockBytes), make([]byte, 1), src), "not finite")
	}
}

// TestQuantizeKeepsWhatTheFormatHolds checks that decoding then encoding is the
// identity on values, for blocks that use the upper codes.
func TestQuantizeKeepsWhatTheFormatHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		blocks := rapid.SliceOfN(rapid.Byte(), BlockBytes, BlockBytes).Draw(t, "blocks")
		scales := []byte{byte(rapid.IntRange(2, 252).Draw(t, "scale"))}
		blocks[0] = 7 // the encoder aims at the largest code
		want := make([]float32, BlockLen)
		require.NoError(t, Dequantize(want, blocks, scales))
		require.NoError(t, Quantize(blocks, scales, want))
		got := make([]float32, BlockLen)
		require.NoError(t, Dequantize(got, blocks, scales))
		require.Equal(t, want, got)
	})
}

// TestQuantizeIsNearest checks the error of each value against the distance
// between codes.
func TestQuantizeIsNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := rapid.SliceOfN(rapid.Float32Range(-100, 100), BlockLen, BlockLen).Draw(t, "values")
		blocks, scales, got := make([]byte, BlockBytes), make([]byte, 1), make([]float32, BlockLen)
		require.NoError(t, Quantize(blocks, scales, src))
		require.NoError(t, Dequantize(got, blocks, scales))
		scale := Scale(scales[0])
		for i, v := range src {
			best := math.Inf(1)
			for _, code := range Values {
				best = min(best, math.Abs(float64(v)-float64(code*scale)))
			}
			require.InDelta(t, best, math.Abs(float64(v)-float64(got[i])), 1e-12)
		}
	})
}
