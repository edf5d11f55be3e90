package q8

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"expertfs/checkpoint/safetensors"
	"expertfs/checkpoint/view"

	"github.com/stretchr/testify/require"
)

// sample is a dense file of a 37 x 64 matrix "m" between two vectors: copied in
// pieces, or made by a transform, of which rows begin at odd places of a file.
type sample struct {
	b      *view.Builder
	file   []byte
	vector []byte // of "v" and "w" each
	at     struct{ v, m, s, w view.Range }
}

const (
	rows, columns = 37, 64
)

func newSample(dtype string) *sample {
	x := &sample{b: view.NewBuilder(map[string]string{"k": "v"}), vector: []byte("0123456789")}
	x.at.v = x.b.Tensor("v", "U8", []int64{10})
	x.at.m = x.b.Tensor("m", dtype, []int64{rows, columns})
	if dtype == "I8" {
		x.at.s = x.b.Tensor("m.scales", "F16", []int64{rows, columns / 32})
	}
	x.at.w = x.b.Tensor("w", "U8", []int64{10})
	x.b.Copy(x.at.v.Off, x.put(x.vector))
	return x
}

// put adds bytes to the file.
func (x *sample) put(p []byte) view.Extent {
	x.file = append(x.file, "gap"...)
	off := int64(len(x.file))
	x.file = append(x.file, p...)
	return view.Extent{File: 0, Off: off, Len: int64(len(p))}
}

// finish returns the view with "m" rounded, and its bytes.
func (x *sample) finish(t *testing.T) (*view.View, []byte) {
	t.Helper()
	x.b.Copy(x.at.w.Off, x.put(x.vector))
	v := View(x.b.View(), "m")
	all := make([]byte, v.Size())
	require.NoError(t, v.ReadAt(x.files(), all, 0))
	return v, all
}

func (x *sample) files() []io.ReaderAt { return []io.ReaderAt{bytes.NewReader(x.file)} }

// check compares a rounded file with rows that were rounded one by one.
func (x *sample) check(t *testing.T, v *view.View, all []byte, set func(row int, data []int8, scales []uint16)) {
	t.Helper()
	h, err := safetensors.ReadHeader(bytes.NewReader(all), v.Size())
	require.NoError(t, err)
	require.Equal(t, map[string]string{"k": "v", LayoutKey: Layout}, h.Metadata)
	get := func(name, dtype string, shape ...int) []byte {
		f, ok := h.Tensor(name)
		require.True(t, ok, name)
		require.Equal(t, dtype, f.DType)
		require.Equal(t, int64s(shape), f.Shape)
		return all[f.Offset : f.Offset+f.Length]
	}
	blocks := Blocks(columns)
	data, scales := make([]int8, Tiles(rows)*blocks*TileBlock), make([]uint16, Tiles(rows)*blocks*TileRows)
	for r := range rows {
		tile, lane := r/TileRows, r%TileRows
		set(r, data[tile*blocks*TileBlock+4*lane:], scales[tile*blocks*TileRows+lane:])
	}
	got := get("m"+DataSuffix, "I8", 3, 2, 8, 16, 4)
	require.Equal(t, data, Int8s(got))
	require.Zero(t, (len(v.Header)+int(x.at.v.Off))%64)
	require.Equal(t, scales, BF16s(get("m"+ScalesSuffix, "BF16", 3, 2, 16)))
	require.Equal(t, x.vector, get("v", "U8", 10))
	require.Equal(t, x.vector, get("w", "U8", 10))
	require.Len(t, h.Tensors, 4)
	// Any range is the same bytes.
	rng := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		off := int64(len(v.Header)) + rng.Int64N(v.Size()-int64(len(v.Header)))
		p := make([]byte, min(rng.Int64N(3000), v.Size()-off))
		require.NoError(t, v.ReadAt(x.files(), p, off))
		require.True(t, bytes.Equal(all[off:][:len(p)], p), "%d bytes at %d", len(p), off)
	}
}

// TestPieces has tiles within a piece, across two and three, and a last one that is
// not full.
func TestPieces(t *testing.T) {
	for _, cuts := range [][]int{{37}, {16, 21}, {32, 5}, {5, 3, 29}, {1, 35, 1}, {20, 2, 15}} {
		x := newSample("BF16")
		m := bf16s(rand.New(rand.NewPCG(1, 2)), rows*columns)
		rest, at := m, x.at.m.Off
		for _, n := range cuts {
			e := x.put(rest[:2*columns*n])
			x.b.Copy(at, e)
			rest, at = rest[e.Len:], at+e.Len
		}
		v, all := x.finish(t)
		x.check(t, v, all, func(r int, data []int8, scales []uint16) { Row(data, scales, m[2*columns*r:][:2*columns]) })
	}
}

// TestTransforms rounds what transforms make of pieces: F32 of halves, with blocks
// of 8, and Q8_0, whose integers and scales come together.
func TestTransforms(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	bits := bf16s(rng, rows*columns)
	double := &view.Transform{Name: "double", In: []int64{16}, Out: []int64{32}, Apply: func(dst, src [][]byte) {
		for i := range len(src[0]) / 2 {
			v := 2 * fromBF16(binary.LittleEndian.Uint16(src[0][2*i:]))
			binary.LittleEndian.PutUint32(dst[0][4*i:], math.Float32bits(v))
		}
	}}
	x := newSample("F32")
	for _, part := range [][2]int{{20, 37}, {0, 20}} { // in any order
		e := x.put(bits[2*columns*part[0] : 2*columns*part[1]])
		x.b.Apply(double, []view.Extent{e}, view.Range{Off: x.at.m.Off + int64(4*columns*part[0]), Len: 2 * e.Len})
	}
	v, all := x.finish(t)
	x.check(t, v, all, func(r int, data []int8, scales []uint16) {
		floats := Decode(nil, "BF16", bits[2*columns*r:][:2*columns])
		for i := range floats {
			floats[i] *= 2
		}
		Floats(data, scales, floats)
	})

	split := &view.Transform{Name: "q8_0", In: []int64{34}, Out: []int64{32, 2}, Apply: func(dst, src [][]byte) {
		for i := range len(src[0]) / 34 {
			copy(dst[1][2*i:2*i+2], src[0][34*i:])
			copy(dst[0][32*i:32*i+32], src[0][34*i+2:])
		}
	}}
	ints, own := make([]byte, rows*columns), make([]byte, rows*columns/16)
	for i := range ints {
		ints[i] = byte(rng.Uint32())
	}
	for i := range own {
		own[i] = byte(rng.Uint32()) & 0x3F
	}
	row := func(r int, data []int8, scales []uint16) {
		Q8_0(data, scales, ints[columns*r:][:columns], own[columns/16*r:][:columns/16])
	}
	x = newSample("I8")
	at, s := x.at.m.Off, x.at.s.Off
	for _, part := range [][2]int{{0, 7}, {7, 37}} {
		var stored []byte
		for b := part[0] * 2; b < part[1]*2; b++ {
			stored = append(append(stored, own[2*b:2*b+2]...), ints[32*b:32*b+32]...)
		}
		n := int64(part[1] - part[0])
		x.b.Apply(split, []view.Extent{x.put(stored)}, view.Range{Off: at, Len: n * columns}, view.Range{Off: s, Len: n * columns / 16})
		at, s = at+n*columns, s+n*columns/16
	}
	v, all = x.finish(t)
	x.check(t, v, all, row)

	x = newSample("I8") // as in a copy of a mount of such a file
	x.b.Copy(x.at.m.Off, x.put(ints))
	x.b.Copy(x.at.s.Off, x.put(own))
	v, all = x.finish(t)
	x.check(t, v, all, row)
}

func TestViewRefuses(t *testing.T) {
	b := view.NewBuilder(nil)
	at := b.Tensor("m", "BF16", []int64{64})
	b.Copy(at.Off, view.Extent{File: 0, Off: 0, Len: 128})
	require.PanicsWithValue(t, `q8: tensor "m" is no matrix`, func() { View(b.View(), "m") })
}
