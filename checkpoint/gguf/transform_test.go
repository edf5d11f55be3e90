package gguf

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"expertfs/checkpoint/view"

	"github.com/stretchr/testify/require"
)

// random returns n bytes.
func random(n int) []byte {
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// value is value i of a block of ggml's MXFP4: byte j holds j and j+16.
func value(block []byte, i int) byte { return block[1+i%16] >> (i / 16 * 4) & 15 }

// join is the inverse of splitGGML, value by value.
func join(blocks, scales []byte) []byte {
	var out []byte
	for i, scale := range scales {
		b := make([]byte, 17)
		b[0] = scale
		for v := range 32 {
			nibble := blocks[16*i+v/2] >> (v % 2 * 4) & 15
			b[1+v%16] |= nibble << (v / 16 * 4)
		}
		out = append(out, b...)
	}
	return out
}

func TestSplitIsExactBothWays(t *testing.T) {
	for name, split := range map[string]splitFunc{"this processor": splitGGML, "portable": splitGGMLGeneric} {
		for n := range 70 {
			src := random(17 * n)
			blocks, scales := make([]byte, 16*n), make([]byte, n)
			split(blocks, scales, src)
			for i := range n {
				require.Equal(t, src[17*i], scales[i], name)
				for v := range 32 {
					require.Equal(t, value(src[17*i:], v), blocks[16*i+v/2]>>(v%2*4)&15, "%s: block %d value %d", name, i, v)
				}
			}
			require.Equal(t, append([]byte{}, src...), append([]byte{}, join(blocks, scales)...), name)
		}
	}
}

// TestSplitAtAnyAddress has the blocks at the end of what may be read, and something
// around what may be written: whole cache lines are written in another way.
func TestSplitAtAnyAddress(t *testing.T) {
	around := bytes.Repeat([]byte{0xA5}, 64)
	for name, f := range map[string]struct{ split, portable splitFunc }{
		"ggml":   {splitGGML, splitGGMLGeneric},
		"Ollama": {splitOllama, splitOllamaGeneric},
	} {
		for _, n := range []int{1, 3, 4, 5, 12, 30} {
			src := random(17 * n)
			blocks, scales := make([]byte, 16*n), make([]byte, n)
			f.portable(blocks, scales, src)
			for at := range 64 {
				out := slices.Concat(around[:at], make([]byte, 16*n), around)
				outScales := slices.Concat(around[:at], make([]byte, n), around)
				f.split(out[at:][:16*n:16*n], outScales[at:][:n:n], src)
				fence()
				require.Equal(t, slices.Concat(around[:at], blocks, around), out, "%s: %d blocks at %d", name, n, at)
				require.Equal(t, slices.Concat(around[:at], scales, around), outScales, "%s: %d blocks at %d", name, n, at)
			}
			out := make([]byte, 16*n)
			require.Panics(t, func() { f.split(out, make([]byte, n), src[:17*n-1:17*n-1]) })
			require.Panics(t, func() { f.split(out[:16*n-1:16*n-1], make([]byte, n), src) })
		}
	}
}

func TestRowTransformIsTheMatrixTransform(t *testing.T) {
	for _, k := range []kind{mxfp4, mxfp4o} {
		const rows, columns = 7, 96
		src := random(17 * 3 * rows)
		var outs [2][2][]byte
		for i, tr := range []*view.Transform{matrixTransform(k), rowTransform(k, columns)} {
			outs[i] = [2][]byte{make([]byte, rows*3*16), make([]byte, rows*3)}
			tr.Apply(outs[i][:], [][]byte{src})
		}
		require.Equal(t, outs[0], outs[1])
		require.Equal(t, []int64{17 * 3}, rowTransform(k, columns).In)
		require.Equal(t, []int64{16 * 3, 3}, rowTransform(k, columns).Out)
	}
}

func TestOllamasBlocksAreOnlyTakenApart(t *testing.T) {
	src := random(17 * 9)
	blocks, scales := make([]byte, 16*9), make([]byte, 9)
	splitOllama(blocks, scales, src)
	for i := range 9 {
		require.Equal(t, src[17*i], scales[i])
		require.Equal(t, src[17*i+1:17*i+17], blocks[16*i:16*i+16])
	}
}

func TestHalves(t *testing.T) {
	for h := range 1 << 16 {
		got := math.Float32frombits(halfBits(uint16(h)))
		exp, frac := h>>10&31, float64(h&1023)
		want := math.Ldexp(1+frac/1024, exp-15)
		switch {
		case exp == 0:
			want = math.Ldexp(frac, -24)
		case exp == 31 && frac == 0:
			want = math.Inf(1)
		case exp == 31:
			require.True(t, math.IsNaN(float64(got)))
			continue
		}
		require.Equal(t, float32(math.Copysign(want, -float64(h>>15)+0.5)), got, "%#x", h)
	}
}

func TestJoinTransform(t *testing.T) {
	values := []float32{1, -2, 0.5, 3}
	for _, from := range []kind{f32, f16, bf16} {
		for _, to := range []kind{f32, bf16} {
			tr := joinTransform(from, to, 2)
			src := [][]byte{encode32(from, values[:2]), encode32(from, values[2:])}
			dst := make([]byte, 4*kinds[to].bytes)
			tr.Apply([][]byte{dst}, src)
			require.Equal(t, encode32(to, []float32{1, 0.5, -2, 3}), dst, tr.Name)
		}
	}
}

// encode32 writes values that are exact in every type.
func encode32(k kind, values []float32) (out []byte) {
	for _, v := range values {
		bits := math.Float32bits(v)
		switch k {
		case f32:
			out = binary.LittleEndian.AppendUint32(out, bits)
		case bf16:
			out = binary.LittleEndian.AppendUint16(out, uint16(bits>>16))
		case f16:
			out = binary.LittleEndian.AppendUint16(out, uint16(bits>>16&0x8000|(bits>>23&255-112)<<10|bits>>13&1023))
		}
	}
	return out
}

// BenchmarkSplit stands beside the copy that the transform takes the place of, with
// memory that is in no cache. Rows stand apart, as those of gate and up do.
func BenchmarkSplit(b *testing.B) {
	const row, rows, turns = 90, 640, 64
	const n = row * rows
	src, blocks, scales := random(turns*17*n), random(turns*2*16*n), random(turns*2*n)
	byRows := func(split splitFunc) func(src, blocks, scales []byte) {
		return func(src, blocks, scales []byte) {
			for r := range rows {
				split(blocks[2*r*16*row:][:16*row], scales[2*r*row:][:row], src[r*17*row:][:17*row])
			}
			fence()
		}
	}
	for name, run := range map[string]func(src, blocks, scales []byte){
		"rows":          byRows(splitGGML),
		"rows portable": byRows(splitGGMLGeneric),
		"rows Ollama":   byRows(splitOllama),
		"whole": func(src, blocks, scales []byte) {
			splitGGML(blocks[:16*n], scales[:n], src)
			fence()
		},
		"copy": func(src, blocks, _ []byte) { copy(blocks, src) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(17 * n)
			for i := 0; b.Loop(); i = (i + 1) % turns {
				run(src[i*17*n:][:17*n], blocks[i*2*16*n:][:2*16*n], scales[i*2*n:][:2*n])
			}
		})
	}
}
