package view

import (
	"fmt"

	"expertfs/checkpoint/safetensors"
)

// Align is the alignment, in bytes, of the data in a view: a page.
const Align = 4096

// View is a safetensors file made of a header and of parts that fill the rest
// of it, each byte once. It is not modified once made.
type View struct {
	Header []byte // its length is a multiple of Align
	Parts  []Part

	size int64
}

// Part is a piece of a view and what it is made of. A part without a transform
// is a copy: one extent, and one range of the same length. With one, From and To
// are as the transform's inputs and outputs, in whole units, as many of each.
type Part struct {
	Transform *Transform
	From      []Extent
	To        []Range
}

// Extent is a piece of a file.
type Extent struct {
	File int   // index into the checkpoint's files
	Off  int64 // bytes from the start of the file
	Len  int64 // bytes
}

// Range is a piece of a view, or the pieces that the units of a transform fill.
type Range struct {
	Off  int64 // bytes from the start of the view
	Len  int64 // bytes, of all pieces
	Step int64 // bytes from the beginning of one unit to that of the next; 0 where they touch
}

// Size returns the length of the view in bytes, its header included.
func (v *View) Size() int64 { return v.size }

// Extents returns all that the view is made of, in the order of its parts.
func (v *View) Extents() []Extent {
	var all []Extent
	for _, p := range v.Parts {
		all = append(all, p.From...)
	}
	return all
}

// Builder makes a view. First all tensors are named, in the order of the file,
// then the parts that fill them.
type Builder struct {
	tensors  []safetensors.Tensor
	metadata map[string]string
	size     int64 // of the data
	parts    []Part
}

// NewBuilder begins a view; metadata goes to its header.
func NewBuilder(metadata map[string]string) *Builder { return &Builder{metadata: metadata} }

// Tensor appends a tensor and returns where it lies in the data. It panics on a
// shape that no file can hold.
func (b *Builder) Tensor(name, dtype string, shape []int64) Range {
	length, err := safetensors.ByteLen(dtype, shape)
	if err != nil {
		panic("view: " + err.Error())
	}
	b.tensors = append(b.tensors, safetensors.Tensor{Name: name, DType: dtype, Shape: shape})
	at := Range{Off: b.size, Len: length}
	b.size += length
	return at
}

// Copy fills the data from off on with an extent. It is joined to the part
// before it where they touch on both sides.
func (b *Builder) Copy(off int64, e Extent) {
	if n := len(b.parts); n > 0 && b.parts[n-1].Transform == nil {
		from, to := &b.parts[n-1].From[0], &b.parts[n-1].To[0]
		if from.File == e.File && from.Off+from.Len == e.Off && to.Off+to.Len == off {
			from.Len += e.Len
			to.Len += e.Len
			return
		}
	}
	b.parts = append(b.parts, Part{From: []Extent{e}, To: []Range{{Off: off, Len: e.Len}}})
}

// Apply fills ranges of the data with what t makes of extents. It panics when
// they are not whole units.
func (b *Builder) Apply(t *Transform, from []Extent, to ...Range) {
	p := Part{t, from, to}
	if err := p.check(); err != nil {
		panic("view: " + err.Error())
	}
	b.parts = append(b.parts, p)
}

// check tells whether the lengths of a transform's part fit it.
func (p *Part) check() error {
	t := p.Transform
	if len(p.From) != len(t.In) || len(p.To) != len(t.Out) {
		return fmt.Errorf("%s: %d inputs and %d outputs, expected %d and %d", t.Name, len(p.From), len(p.To), len(t.In), len(t.Out))
	}
	units := p.Units()
	for i, e := range p.From {
		if e.Len != units*t.In[i] {
			return fmt.Errorf("%s: input %d has %d bytes, expected %d units of %d", t.Name, i, e.Len, units, t.In[i])
		}
	}
	for i, r := range p.To {
		if r.Len != units*t.Out[i] || r.Step != 0 && r.Step < t.Out[i] {
			return fmt.Errorf("%s: output %d has %d bytes in steps of %d, expected %d units of %d", t.Name, i, r.Len, r.Step, units, t.Out[i])
		}
	}
	return nil
}

// View returns the view. It panics unless the parts fill the tensors.
func (b *Builder) View() *View {
	header, err := safetensors.AppendHeader(nil, b.tensors, b.metadata, Align)
	if err != nil {
		panic("view: " + err.Error())
	}
	v := &View{Header: header, Parts: b.parts, size: int64(len(header)) + b.size}
	var filled int64
	for _, p := range v.Parts {
		for i := range p.To {
			filled += p.To[i].Len
			p.To[i].Off += int64(len(header))
		}
	}
	if filled != b.size {
		panic(fmt.Sprintf("view: parts of %d bytes for tensors of %d", filled, b.size))
	}
	return v
}

// Origin returns where in the files a byte of the data comes from: the byte
// itself where it is copied, else the unit of the first input that it is made of.
func (v *View) Origin(off int64) Extent {
	for _, p := range v.Parts {
		if p.Transform == nil {
			if at := off - p.To[0].Off; at >= 0 && at < p.To[0].Len {
				return Extent{p.From[0].File, p.From[0].Off + at, 1}
			}
		} else if first, last := p.Covering(off, off+1); first < last {
			unit := p.Transform.In[0]
			return Extent{p.From[0].File, p.From[0].Off + first*unit, unit}
		}
	}
	return Extent{}
}
