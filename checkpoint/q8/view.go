package q8

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"

	"expertfs/checkpoint/safetensors"
	"expertfs/checkpoint/view"
)

// Layout is the value of the key LayoutKey in the metadata of files with rounded
// matrices. It changes with the order of the bytes and with the rounding.
const (
	LayoutKey = "rounded"
	Layout    = "q8/1"
)

// Ends of the names of the two tensors of a rounded matrix, after the matrix's own.
// Tensors begin on whole cache lines, their data first.
const (
	DataSuffix   = ".tiles"
	ScalesSuffix = ".tiles.scales"
)

// q8_0Suffix is the end of the name of the float16 scales beside an I8 matrix.
const q8_0Suffix = ".scales"

// DataShape is the shape of the tensor of numbers, which is I8.
func DataShape(rows, columns int) []int {
	return []int{Tiles(rows), Blocks(columns), BlockLen / 4, TileRows, 4}
}

// ScalesShape is the shape of the tensor of scales, which is BF16.
func ScalesShape(rows, columns int) []int { return []int{Tiles(rows), Blocks(columns), TileRows} }

// View returns the view of a dense file in which the matrices of those names are
// rounded and all other tensors are as they were. It panics when a matrix has no
// two dimensions or is no whole rows: no format has such.
func View(dense *view.View, matrices ...string) *view.View {
	h, err := safetensors.ReadHeader(bytes.NewReader(dense.Header), dense.Size())
	if err != nil {
		panic("q8: " + err.Error())
	}
	metadata := map[string]string{LayoutKey: Layout}
	maps.Copy(metadata, h.Metadata)
	b := view.NewBuilder(metadata)
	var all []*matrix
	replaced := map[string]bool{}
	for _, t := range h.Tensors {
		if slices.Contains(matrices, t.Name) {
			all = append(all, newMatrix(h, t))
			replaced[t.Name], replaced[t.Name+q8_0Suffix] = true, t.DType == "I8"
		}
	}
	for _, m := range all {
		m.data = b.Tensor(m.Name+DataSuffix, "I8", int64s(DataShape(m.rows, m.columns)))
	}
	for _, m := range all {
		m.scales = b.Tensor(m.Name+ScalesSuffix, "BF16", int64s(ScalesShape(m.rows, m.columns)))
	}
	for _, t := range h.Tensors {
		if !replaced[t.Name] {
			keep(b, dense, t, b.Tensor(t.Name, t.DType, t.Shape))
		}
	}
	for _, m := range all {
		m.fill(b, m.pieces(dense))
	}
	return b.View()
}

func int64s(shape []int) []int64 {
	out := make([]int64, len(shape))
	for i, n := range shape {
		out[i] = int64(n)
	}
	return out
}

// keep fills the tensor at a place of the new view with what the old one has.
func keep(b *view.Builder, old *view.View, t safetensors.Tensor, to view.Range) {
	for _, p := range old.Parts {
		at, n := overlap(p.To[0], t)
		off := to.Off + at - t.Offset
		switch {
		case n <= 0:
		case p.Transform == nil:
			b.Copy(off, sub(&p, at, n))
		case len(p.To) > 1 || n < p.To[0].Len:
			panic(fmt.Sprintf("q8: tensor %q is made together with others", t.Name))
		default:
			b.Apply(p.Transform, p.From, view.Range{Off: off, Len: p.To[0].Len, Step: p.To[0].Step})
		}
	}
}

// matrix is a matrix to be rounded.
type matrix struct {
	safetensors.Tensor
	rows, columns int
	own           safetensors.Tensor // the scales of an I8 matrix
	data, scales  view.Range
}

func newMatrix(h *safetensors.Header, t safetensors.Tensor) *matrix {
	if len(t.Shape) != 2 {
		panic(fmt.Sprintf("q8: tensor %q is no matrix", t.Name))
	}
	m := &matrix{Tensor: t, rows: int(t.Shape[0]), columns: int(t.Shape[1])}
	m.own, _ = h.Tensor(t.Name + q8_0Suffix)
	return m
}

// piece is some rows of a matrix, as they are stored.
type piece struct {
	from   []view.Extent // the rows, and their scales where those are stored apart
	rows   int64
	row    []int64         // bytes of a row in each of them
	before *view.Transform // makes the dense file's rows of them; nil for a copy
	at     int64           // of the dense file's bytes
}

// pieces lists what the dense file's matrix is made of, by rows. Those of an I8
// matrix have scales: made by the same transform, or copied from elsewhere.
func (m *matrix) pieces(dense *view.View) []piece {
	var all []piece
	row := m.Length / int64(m.rows) // bytes of a row in the dense file
	for _, p := range dense.Parts {
		at, n := overlap(p.To[0], m.Tensor)
		if n <= 0 {
			continue
		}
		x := piece{from: p.From, rows: n / row, row: []int64{row}, before: p.Transform, at: at}
		if p.Transform == nil {
			x.from = []view.Extent{sub(&p, at, n)}
			if m.DType == "I8" {
				x.addScales(dense, m, (at-m.Offset)/row)
			}
		} else {
			x.row[0] = row / p.Transform.Out[0] * p.Transform.In[0]
		}
		if x.rows*x.row[0] != x.from[0].Len || len(x.from) != len(x.row) || p.To[0].Step != 0 {
			panic(fmt.Sprintf("q8: tensor %q is no whole rows", m.Name))
		}
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b piece) int { return cmp.Compare(a.at, b.at) })
	return all
}

// addScales finds the scales of a piece that begins with a row.
func (x *piece) addScales(dense *view.View, m *matrix, first int64) {
	size := int64(m.columns / BlockLen * 2)
	want := safetensors.Tensor{Offset: m.own.Offset + first*size, Length: x.rows * size}
	for _, p := range dense.Parts {
		if at, n := overlap(p.To[0], want); n == want.Length && p.Transform == nil {
			x.from, x.row = append(x.from, sub(&p, at, n)), append(x.row, size)
		}
	}
}

// overlap returns the bytes that a range and a tensor of a view have in common.
func overlap(r view.Range, t safetensors.Tensor) (at, n int64) {
	at = max(r.Off, t.Offset)
	return at, min(r.Off+r.Len, t.Offset+t.Length) - at
}

// sub is what n bytes of a view, from an offset on, are copied from.
func sub(p *view.Part, at, n int64) view.Extent {
	return view.Extent{File: p.From[0].File, Off: p.From[0].Off + at - p.To[0].Off, Len: n}
}

// fill cuts the pieces into tiles. Runs of tiles within a piece are one part of the
// view, and a tile that has rows of several pieces, or fewer than 16, is one too.
func (m *matrix) fill(b *view.Builder, pieces []piece) {
	var tile []piece // begun
	have := int64(0) // rows of it
	done := int64(0) // tiles
	end := func() {
		m.apply(b, tile, done, 1)
		tile, have, done = nil, 0, done+1
	}
	for _, p := range pieces {
		if have > 0 {
			n := min(TileRows-have, p.rows)
			tile = append(tile, p.take(n))
			if have += n; have == TileRows {
				end()
			}
		}
		if n := p.rows / TileRows; n > 0 {
			m.apply(b, []piece{p.take(n * TileRows)}, done, n)
			done += n
		}
		if p.rows > 0 {
			have = p.rows
			tile = append(tile, p.take(p.rows))
		}
	}
	if have > 0 {
		end()
	}
}

// take cuts the first n rows off.
func (x *piece) take(n int64) piece {
	first := *x
	first.rows, first.from = n, slices.Clone(x.from)
	x.rows, x.from = x.rows-n, slices.Clone(x.from)
	for i := range x.from {
		size := n * x.row[i]
		first.from[i].Len = size
		x.from[i].Off, x.from[i].Len = x.from[i].Off+size, x.from[i].Len-size
	}
	return first
}

// apply adds tiles of which each has rows of all pieces.
func (m *matrix) apply(b *view.Builder, pieces []piece, first, tiles int64) {
	all := int64(Tiles(m.rows))
	t := &view.Transform{Name: m.DType + " to 8 bits", Out: []int64{m.data.Len / all, m.scales.Len / all}}
	r := &rounder{matrix: m}
	var from []view.Extent
	for _, p := range pieces {
		p.rows /= tiles
		for _, size := range p.row {
			t.In = append(t.In, p.rows*size)
		}
		from = append(from, p.from...)
		r.pieces = append(r.pieces, p)
	}
	t.Apply = r.apply
	at := func(all view.Range, unit int64) view.Range {
		return view.Range{Off: all.Off + first*unit, Len: tiles * unit}
	}
	b.Apply(t, from, at(m.data, t.Out[0]), at(m.scales, t.Out[1]))
}
