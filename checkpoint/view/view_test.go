package view

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"expertfs/checkpoint/safetensors"

	"github.com/stretchr/testify/require"
)

// sumAndRest makes of pairs of bytes from two inputs, 3 and 1 a unit, an output
// of 1 and one of 3.
var sumAndRest = &Transform{
	Name: "sum and rest", In: []int64{3, 1}, Out: []int64{1, 3},
	Apply: func(dst, src [][]byte) {
		for i := range dst[0] {
			a, b := src[0][3*i:3*i+3], src[1][i]
			dst[0][i] = a[0] + b
			dst[1][3*i], dst[1][3*i+1], dst[1][3*i+2] = a[1], a[2], b
		}
	},
}

// sampleView has a copy, a transform whose outputs lie apart, and a copy in two
// pieces that touch; want is its data.
func sampleView(t *testing.T) (v *View, files []io.ReaderAt, want []byte) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	data := [][]byte{make([]byte, 500), make([]byte, 400)}
	for _, d := range data {
		for i := range d {
			d[i] = byte(rng.Uint32())
		}
		files = append(files, bytes.NewReader(d))
	}
	b := NewBuilder(map[string]string{"k": "v"})
	first, sums, rest := b.Tensor("a", "U8", []int64{100}), b.Tensor("b", "U8", []int64{40}), b.Tensor("c", "U8", []int64{40, 3})
	last := b.Tensor("d", "U8", []int64{50})
	b.Copy(first.Off, Extent{0, 7, 100})
	b.Apply(sumAndRest, []Extent{{1, 10, 120}, {0, 200, 40}}, sums, rest)
	b.Copy(last.Off, Extent{1, 300, 20})
	b.Copy(last.Off+20, Extent{1, 320, 30})
	v = b.View()

	want = append(want, data[0][7:107]...)
	for i := range 40 {
		want = append(want, data[1][10+3*i]+data[0][200+i])
	}
	for i := range 40 {
		want = append(want, data[1][11+3*i], data[1][12+3*i], data[0][200+i])
	}
	return v, files, append(want, data[1][300:350]...)
}

// TestStepsOfUnits has two parts whose units alternate, in two outputs each.
func TestStepsOfUnits(t *testing.T) {
	data := make([]byte, 4000)
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	files := []io.ReaderAt{bytes.NewReader(data)}
	split := &Transform{Name: "split", In: []int64{6}, Out: []int64{5, 1}, Apply: func(dst, src [][]byte) {
		for i := range len(src[0]) / 6 {
			copy(dst[0][5*i:5*i+5], src[0][6*i+1:])
			dst[1][i] = src[0][6*i]
		}
	}}
	const units = 40
	b := NewBuilder(nil)
	large, small := b.Tensor("large", "U8", []int64{2 * units, 5}), b.Tensor("small", "U8", []int64{2 * units})
	for j, off := range []int64{11, 1500} {
		b.Apply(split, []Extent{{0, off, 6 * units}}, Range{large.Off + int64(5*j), 5 * units, 10}, Range{small.Off + int64(j), units, 2})
	}
	v := b.View()
	want := bytes.Clone(v.Header)
	var heads []byte
	for i := range units {
		for _, off := range []int{11, 1500} {
			heads = append(heads, data[off+6*i])
			want = append(want, data[off+6*i+1:off+6*i+6]...)
		}
	}
	want = append(want, heads...)
	for range 2000 {
		off := int64(len(v.Header)) - 5 + rng.Int64N(2*units*6+5)
		p := make([]byte, min(rng.Int64N(200), v.Size()-off))
		require.NoError(t, v.ReadAt(files, p, off))
		require.True(t, bytes.Equal(want[off:][:len(p)], p), "%d bytes at %d", len(p), off)
	}
	require.Equal(t, Extent{0, 1500 + 6*3, 6}, v.Origin(int64(len(v.Header))+5*7+2))
	require.Panics(t, func() {
		b := NewBuilder(nil)
		b.Apply(split, []Extent{{0, 0, 6}}, Range{0, 5, 4}, Range{5, 1, 0})
	})
}

// TestFenceFollowsWhatItIsFor also where each unit is made by itself.
func TestFenceFollowsWhatItIsFor(t *testing.T) {
	var calls []string
	tr := &Transform{
		Name: "copy", In: []int64{2}, Out: []int64{2},
		Apply: func(dst, src [][]byte) { calls = append(calls, "apply"); copy(dst[0], src[0]) },
		Fence: func() { calls = append(calls, "fence") },
	}
	for _, step := range []int64{0, 4} {
		p := Part{tr, []Extent{{Len: 6}}, []Range{{Len: 6, Step: step}}}
		p.ApplyTo(make([]byte, 10), 0, [][]byte{make([]byte, 6)})
	}
	require.Equal(t, []string{"apply", "fence", "apply", "apply", "apply", "fence"}, calls)
}

func TestViewIsASafetensorsFile(t *testing.T) {
	v, files, want := sampleView(t)
	require.Len(t, v.Parts, 3, "pieces that touch are one")
	require.Zero(t, len(v.Header)%Align)
	all := make([]byte, v.Size())
	require.NoError(t, v.ReadAt(files, all, 0))
	require.Equal(t, want, all[len(v.Header):])
	h, err := safetensors.ReadHeader(bytes.NewReader(all), v.Size())
	require.NoError(t, err)
	require.Equal(t, map[string]string{"k": "v"}, h.Metadata)
	require.EqualValues(t, len(v.Header), h.DataStart)
	c, ok := h.Tensor("c")
	require.True(t, ok)
	require.Equal(t, want[140:260], all[c.Offset:c.Offset+c.Length])
}

func TestReadAtOfAnyRange(t *testing.T) {
	v, files, _ := sampleView(t)
	all := make([]byte, v.Size())
	require.NoError(t, v.ReadAt(files, all, 0))
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		off := int64(len(v.Header)) - 10 + rng.Int64N(315)
		p := make([]byte, min(rng.Int64N(200), v.Size()-off))
		require.NoError(t, v.ReadAt(files, p, off))
		require.Equal(t, all[off:off+int64(len(p))], p, "%d bytes at %d", len(p), off)
	}
	require.Error(t, v.ReadAt(files, make([]byte, 1), -1))
	require.Error(t, v.ReadAt(files, make([]byte, 1), v.Size()))
	files[1] = bytes.NewReader(make([]byte, 330))
	require.ErrorIs(t, v.ReadAt(files, all, 0), io.ErrUnexpectedEOF)
}

func TestOrigin(t *testing.T) {
	v, _, _ := sampleView(t)
	data := int64(len(v.Header))
	require.Equal(t, Extent{0, 12, 1}, v.Origin(data+5))
	require.Equal(t, Extent{1, 10 + 3*7, 3}, v.Origin(data+100+7))
	require.Equal(t, Extent{1, 10 + 3*9, 3}, v.Origin(data+140+3*9+1))
	require.Equal(t, Extent{1, 349, 1}, v.Origin(v.Size()-1))
}

func TestBuilderRefusesWhatDoesNotFit(t *testing.T) {
	for name, build := range map[string]func(b *Builder, at Range){
		"hole":       func(b *Builder, at Range) { b.Copy(at.Off, Extent{0, 0, at.Len - 1}) },
		"too much":   func(b *Builder, at Range) { b.Copy(at.Off, Extent{0, 0, at.Len + 1}) },
		"half units": func(b *Builder, at Range) { b.Apply(sumAndRest, []Extent{{0, 0, 4}, {0, 0, 1}}, at, at) },
		"inputs":     func(b *Builder, at Range) { b.Apply(sumAndRest, []Extent{{0, 0, 3}}, at, at) },
		"outputs":    func(b *Builder, at Range) { b.Apply(sumAndRest, []Extent{{0, 0, 3}, {0, 0, 1}}, at) },
	} {
		b := NewBuilder(nil)
		build2 := func() { build(b, b.Tensor("a", "U8", []int64{8})); b.View() }
		require.Panics(t, build2, name)
	}
	require.Panics(t, func() { NewBuilder(nil).Tensor("a", "X", nil) })
}
