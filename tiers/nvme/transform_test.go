package nvme

import (
	"bytes"
	"context"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"expertfs/checkpoint"
	"expertfs/checkpoint/view"

	"github.com/stretchr/testify/require"
)

// swap exchanges the nibbles of bytes: it is its own inverse.
var swap = &view.Transform{
	Name: "swap", In: []int64{17}, Out: []int64{17},
	Apply: func(dst, src [][]byte) {
		for i, b := range src[0] {
			dst[0][i] = bits.RotateLeft8(b, 4)
		}
	},
}

// interleave takes a row of each of two inputs in turn, and splits each row into
// its first byte and the rest: as formats do that keep scales in their blocks.
var interleave = &view.Transform{
	Name: "interleave", In: []int64{row, row}, Out: []int64{2 * (row - 1), 2},
	Apply: func(dst, src [][]byte) {
		for i := range len(src[0]) / row {
			for j, s := range src {
				r := s[i*row : (i+1)*row]
				dst[1][2*i+j] = r[0]
				copy(dst[0][(2*i+j)*(row-1):(2*i+j+1)*(row-1)], r[1:])
			}
		}
	},
}

const row = 170

// transformed is a view with both transforms, and its data made in another way.
func transformed(t *testing.T, ck *checkpoint.Checkpoint) (*view.View, []byte) {
	t.Helper()
	const size, units = 17 * 3001, 1500
	read := func(off, n int64) []byte {
		p := make([]byte, n)
		require.NoError(t, ck.Read(copied(off, n), p, int64(len(copied(off, n).Header))))
		return p
	}
	b := view.NewBuilder(nil)
	swapped, rest, first := b.Tensor("swapped", "U8", []int64{size}), b.Tensor("rest", "U8", []int64{2 * units, row - 1}), b.Tensor("first", "U8", []int64{2 * units})
	plain := b.Tensor("plain", "U8", []int64{100_000})
	b.Apply(swap, []view.Extent{{Off: 5001, Len: size}}, swapped)
	b.Apply(interleave, []view.Extent{{Off: 70_003, Len: units * row}, {Off: 900_001, Len: units * row}}, rest, first)
	b.Copy(plain.Off, view.Extent{Off: 33, Len: plain.Len})

	var want, heads []byte
	for _, x := range read(5001, size) {
		want = append(want, x>>4|x<<4)
	}
	even, odd := read(70_003, units*row), read(900_001, units*row)
	for i := range units {
		for _, r := range [][]byte{even[i*row:][:row], odd[i*row:][:row]} {
			heads = append(heads, r[0])
			want = append(want, r[1:]...)
		}
	}
	return b.View(), slices.Concat(want, heads, read(33, plain.Len))
}

// copied is a view of an extent of the first file.
func copied(off, n int64) *view.View {
	b := view.NewBuilder(nil)
	b.Copy(b.Tensor("x", "U8", []int64{n}).Off, view.Extent{Off: off, Len: n})
	return b.View()
}

func TestTransformsAreMadeInTheCopy(t *testing.T) {
	disk, tiny := onDisk(t), embeddedModel(t)
	for name, c := range map[string]struct {
		ck *checkpoint.Checkpoint
		o  Options
	}{
		"direct":           {disk, Options{}},
		"pieces":           {disk, Options{Chunk: 10_000}},
		"a unit at a time": {disk, Options{Chunk: 20}},
		"buffered":         {disk, Options{Wrap: buffer, Chunk: 10_000}},
		"memory":           {tiny, Options{Chunk: 10_000}},
	} {
		t.Run(name, func(t *testing.T) {
			r := openReader(t, c.ck, c.o)
			v, data := transformed(t, c.ck)
			want := append(bytes.Clone(v.Header), data...)
			got := bytes.Repeat([]byte{0xAA}, len(want))
			j := r.Start(v, got, 0)
			<-j.Done()
			require.NoError(t, j.Err())
			require.True(t, bytes.Equal(want, got))

			rng := rand.New(rand.NewPCG(1, 1))
			for range 50 {
				off := rng.Int64N(v.Size())
				got := make([]byte, min(rng.Int64N(70_000), v.Size()-off))
				n, err := r.ReadAt(context.Background(), v, got, off)
				require.NoError(t, err)
				require.Equal(t, len(got), n)
				require.True(t, bytes.Equal(want[off:][:n], got), "%d bytes at %d", n, off)
			}
		})
	}
}

// TestATransformBothWays has the inverse restore what a transform made, through
// the reader.
func TestATransformBothWays(t *testing.T) {
	r := openReader(t, onDisk(t), Options{})
	const size = 17 * 100_000
	twice := *swap
	twice.Apply = func(dst, src [][]byte) {
		swap.Apply(dst, src)
		swap.Apply(dst, dst)
	}
	var got [2][]byte
	for i, v := range []*view.View{copied(4321, size), made1(&twice, 4321, size)} {
		got[i] = make([]byte, v.Size())
		j := r.Start(v, got[i], 0)
		<-j.Done()
		require.NoError(t, j.Err())
	}
	require.True(t, bytes.Equal(got[0], got[1]))
}

func made1(t *view.Transform, off, n int64) *view.View {
	b := view.NewBuilder(nil)
	b.Apply(t, []view.Extent{{Off: off, Len: n}}, b.Tensor("x", "U8", []int64{n}))
	return b.View()
}

func TestAFailedReadOfATransformNamesFileAndOffset(t *testing.T) {
	ck := onDisk(t)
	r := openReader(t, ck, Options{})
	v := made1(swap, ck.Files()[0].Size()-17*10+5, 17*10)
	j := r.Start(v, make([]byte, v.Size()), 0)
	<-j.Done()
	var failed *ReadError
	require.ErrorAs(t, j.Err(), &failed)
	require.Equal(t, "model.safetensors", failed.File)
	require.Less(t, failed.Off, ck.Files()[0].Size())
}
