package checkpoint

import (
	"strconv"

	"expertfs/checkpoint/safetensors"
)

// ViewAlign is the alignment, in bytes, of the data in a view: a page.
const ViewAlign = 4096

// viewFormat is the value of "format" in the metadata of every view.
const viewFormat = "expertfs/1"

// View is a safetensors file made of a header and of pieces of the checkpoint's
// files, one after the other. It is not modified once made.
type View struct {
	Header  []byte // its length is a multiple of ViewAlign
	Extents []Extent
}

// Extent is a piece of a file.
type Extent struct {
	File int   // index into Checkpoint.Files
	Off  int64 // bytes from the start of the file
	Len  int64 // bytes
}

// Size returns the length of the view in bytes, its header included.
func (v *View) Size() int64 {
	n := int64(len(v.Header))
	for _, e := range v.Extents {
		n += e.Len
	}
	return n
}

// Expert returns the view of one expert, made anew at each call. It panics when
// layer or expert is out of range, as an index does.
func (c *Checkpoint) Expert(layer, expert int) *View {
	parts := expertParts(c.config)
	if layer < 0 || layer >= c.config.Layers || expert < 0 || expert >= c.config.Experts {
		panic("checkpoint: expert out of range")
	}
	v := &View{Header: viewHeader(parts, map[string]string{
		"format": viewFormat, "layer": strconv.Itoa(layer), "expert": strconv.Itoa(expert),
	})}
	for _, p := range parts {
		t := c.layout.tensors(layer, stacked(c.config, p))[0]
		place := c.places[t.Name]
		size := place.Length / int64(c.config.Experts)
		v.add(Extent{place.file, place.Offset + int64(expert)*size, size})
	}
	return v
}

// ExpertSize returns the length in bytes of every expert's view.
func (c *Checkpoint) ExpertSize() int64 { return c.expertSize }

// Dense returns the view of a layer's tensors outside its experts. It panics
// when layer is out of range, as an index does.
func (c *Checkpoint) Dense(layer int) *View {
	if layer < 0 || layer >= c.config.Layers {
		panic("checkpoint: layer out of range")
	}
	return c.whole(layer, denseParts(c.config), map[string]string{"format": viewFormat, "layer": strconv.Itoa(layer)})
}

// Embedding returns the view of the embedding.
func (c *Checkpoint) Embedding() *View {
	return c.whole(noLayer, []part{embeddingPart(c.config)}, map[string]string{"format": viewFormat})
}

// Unembedding returns the view of the last norm and the unembedding.
func (c *Checkpoint) Unembedding() *View {
	return c.whole(noLayer, unembeddingParts(c.config), map[string]string{"format": viewFormat})
}

// whole makes a view of whole tensors; those that the layout cuts are gathered.
func (c *Checkpoint) whole(layer int, parts []part, metadata map[string]string) *View {
	v := &View{Header: viewHeader(parts, metadata)}
	for _, p := range parts {
		for _, t := range c.layout.tensors(layer, p) {
			place := c.places[t.Name]
			v.add(Extent{place.file, place.Offset, place.Length})
		}
	}
	return v
}

// add appends an extent, joining it to the last one where they touch.
func (v *View) add(e Extent) {
	if n := len(v.Extents); n > 0 {
		if last := &v.Extents[n-1]; last.File == e.File && last.Off+last.Len == e.Off {
			last.Len += e.Len
			return
		}
	}
	v.Extents = append(v.Extents, e)
}

// viewHeader makes the header of a view.
func viewHeader(parts []part, metadata map[string]string) []byte {
	ts := make([]safetensors.Tensor, len(parts))
	for i, p := range parts {
		ts[i] = safetensors.Tensor{Name: p.name, DType: p.dtype, Shape: p.shape}
	}
	header, err := safetensors.AppendHeader(nil, ts, metadata, ViewAlign)
	if err != nil {
		panic("checkpoint: " + err.Error()) // validated configs have no such shapes
	}
	return header
}
