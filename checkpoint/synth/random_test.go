package synth

import (
	"encoding/binary"
	"math"
	"testing"

	"expertfs/checkpoint/mxfp4"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestFillIsRandomAccess checks that pieces of a stream are the stream.
func TestFillIsRandomAccess(t *testing.T) {
	w := normal(1, 0, 1)
	whole := make([]byte, 1000)
	w.fill(whole, 0)
	rapid.Check(t, func(t *rapid.T) {
		begin := rapid.IntRange(0, len(whole)).Draw(t, "begin")
		end := rapid.IntRange(begin, len(whole)).Draw(t, "end")
		piece := make([]byte, end-begin)
		w.fill(piece, int64(begin))
		require.Equal(t, whole[begin:end], piece)
	})
}

// bfloat16s decodes a tensor.
func bfloat16s(data []byte) []float64 {
	values := make([]float64, len(data)/2)
	for i := range values {
		values[i] = float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(data[2*i:])) << 16))
	}
	return values
}

// moments returns mean and standard deviation.
func moments(values []float64) (mean, std float64) {
	for _, v := range values {
		mean += v
	}
	mean /= float64(len(values))
	for _, v := range values {
		std += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(std / float64(len(values)))
}

func TestNormalHasItsMoments(t *testing.T) {
	data := make([]byte, 2*100_000)
	normal(streamKey(3, "x"), 1, 0.25).fill(data, 0)
	mean, std := moments(bfloat16s(data))
	require.InDelta(t, 1, mean, 0.01)
	require.InDelta(t, 0.25, std, 0.01)
}

// decode returns the values of MXFP4 blocks.
func decode(blocks, scales []byte) []float64 {
	magnitudes := [8]float64{0, 0.5, 1, 1.5, 2, 3, 4, 6}
	values := make([]float64, 2*len(blocks))
	for i := range values {
		code := blocks[i/2] >> (i % 2 * 4) & 15
		values[i] = math.Ldexp(magnitudes[code&7], int(scales[i/mxfp4.BlockLen])-mxfp4.ScaleBias)
		if code >= 8 {
			values[i] = -values[i]
		}
	}
	return values
}

// TestExpertWeightsHaveTheirSpread decodes what the streams of an expert give.
func TestExpertWeightsHaveTheirSpread(t *testing.T) {
	const n = 20_000
	blocks, bytes := make([]byte, n*mxfp4.BlockBytes), make([]byte, n)
	uniform(streamKey(3, "blocks")).fill(blocks, 0)
	want := 1 / math.Sqrt(2880)
	scales(streamKey(3, "scales"), exponent(want)).fill(bytes, 0)
	mean, std := moments(decode(blocks, bytes))
	require.InDelta(t, 0, mean, want/50)
	require.Less(t, math.Abs(math.Log2(std/want)), 0.6) // scales are powers of two
}

func TestStreamsDiffer(t *testing.T) {
	keys := map[uint64]string{}
	for seed := range uint64(50) {
		for _, tensor := range []string{"a", "b", "block.0.a", "block.1.a"} {
			key := streamKey(seed, tensor)
			require.Empty(t, keys[key])
			keys[key] = tensor
		}
	}
}
