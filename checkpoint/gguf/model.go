package gguf

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"expertfs"
	"expertfs/checkpoint/config"
	"expertfs/checkpoint/format"
	"expertfs/checkpoint/source"
	"expertfs/checkpoint/view"
)

// model is an open checkpoint.
type model struct {
	config *config.Config
	files  []source.Source
	small  []source.Source

	metadata metadata // of the first file
	places   map[string]place

	dense  map[denseKey]*dense
	layers []experts
	biases [2]kind // of the views of all experts: BF16 or F32
}

// place says where a tensor lies.
type place struct {
	file int // index into files
	tensor
}

func (p *place) extent() view.Extent { return view.Extent{File: p.file, Off: p.off, Len: p.len} }

// slice is the extent of expert e of n.
func (p *place) slice(e, n int) view.Extent {
	size := p.len / int64(n)
	return view.Extent{File: p.file, Off: p.off + int64(e)*size, Len: size}
}

// denseKey names a tensor outside the experts.
type denseKey struct {
	layer int
	name  string
}

// dense is a tensor outside the experts.
type dense struct {
	pieces []place // by rows
	kind   kind    // as it is served
	vector bool    // small enough that its values are looked at
}

// experts are the stacked tensors of a layer.
type experts struct {
	weights [2][]place // of the first matrix, one or gate and up, and of the second
	biases  [2][]place
	split   [2]*view.Transform
}

// Form names the dialect and the types of experts and matrices.
func (m *model) Form() string {
	by := map[any]string{llamaCpp: "llama.cpp's names", ollama: "Ollama's names"}[m.metadata["general.architecture"]]
	var matrices []string
	for _, d := range m.dense {
		for _, p := range d.pieces {
			if !d.vector {
				matrices = append(matrices, p.kind.String())
			}
		}
	}
	slices.Sort(matrices)
	x := &m.layers[0]
	return fmt.Sprintf("%s, experts %s with biases %s, matrices %s", by, x.weights[0][0].kind, x.biases[0][0].kind,
		strings.Join(slices.Compact(matrices), " and "))
}

func (m *model) Config() *config.Config { return m.config }
func (m *model) Files() []source.Source { return m.files }
func (m *model) Small() []source.Source { return m.small }

// Stored lists the tensors of the model, by file and place.
func (m *model) Stored() iter.Seq[format.Stored] {
	var all []format.Stored
	add := func(ps []place) {
		for _, p := range ps {
			all = append(all, format.Stored{Name: p.name, Extent: p.extent()})
		}
	}
	for _, d := range m.dense {
		add(d.pieces)
	}
	for i := range m.layers {
		for j := range 2 {
			add(m.layers[i].weights[j])
			add(m.layers[i].biases[j])
		}
	}
	slices.SortFunc(all, func(a, b format.Stored) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Off, b.Off))
	})
	return slices.Values(all)
}

// Expert adds an expert's slices of the stacked tensors, taken apart.
func (m *model) Expert(b *view.Builder, k expertfs.Key) {
	at := map[string]view.Range{}
	for _, t := range format.Expert(m.config) {
		switch t.Name {
		case "mlp1_bias":
			t.DType = dtypes[m.biases[0]]
		case "mlp2_bias":
			t.DType = dtypes[m.biases[1]]
		}
		at[t.Name] = b.Tensor(t.Name, t.DType, t.Shape)
	}
	x := &m.layers[k.Layer]
	// Biases come first: theirs are several small reads, which would stand behind the
	// large ones at the end.
	for i, name := range []string{"mlp1_bias", "mlp2_bias"} {
		from := make([]view.Extent, len(x.biases[i]))
		for j := range x.biases[i] {
			from[j] = x.biases[i][j].slice(int(k.Expert), m.config.Experts)
		}
		fill(b, x.biases[i][0].kind, m.biases[i], from, at[name])
	}
	for i, name := range []string{"mlp1", "mlp2"} {
		m.applySplit(b, x.weights[i], x.split[i], int(k.Expert), at[name+"_weight.blocks"], at[name+"_weight.scales"])
	}
}

// applySplit takes an expert's matrix apart, or two of which it has rows in turn.
func (m *model) applySplit(b *view.Builder, from []place, t *view.Transform, expert int, to ...view.Range) {
	n := int64(len(from))
	for j := range from {
		part := make([]view.Range, len(to))
		for k, r := range to {
			part[k] = view.Range{Off: r.Off + int64(j)*t.Out[k], Len: r.Len / n}
			if n > 1 {
				part[k].Step = n * t.Out[k]
			}
		}
		b.Apply(t, []view.Extent{from[j].slice(expert, m.config.Experts)}, part...)
	}
}

// fill makes values of one type into another, of several tensors in turn.
func fill(b *view.Builder, from, to kind, extents []view.Extent, at view.Range) {
	switch _, quantised := decoders[from]; {
	case quantised:
		b.Apply(decodeTransform(from), extents, at)
	case from == to && len(extents) == 1:
		b.Copy(at.Off, extents[0])
	default:
		b.Apply(joinTransform(from, to, len(extents)), extents, at)
	}
}

// dtypes are safetensors' names of the types that are served.
var dtypes = map[kind]string{f32: "F32", f16: "F16", bf16: "BF16", q8_0: "I8"}

func (m *model) Dense(b *view.Builder, layer int) { m.whole(b, layer, format.Dense(m.config)) }

func (m *model) Embedding(b *view.Builder) {
	m.whole(b, format.NoLayer, []format.Tensor{format.Embedding(m.config)})
}

func (m *model) Unembedding(b *view.Builder) {
	m.whole(b, format.NoLayer, format.Unembedding(m.config))
}

// whole adds whole tensors. Scales have a tensor of their own.
func (m *model) whole(b *view.Builder, layer int, tensors []format.Tensor) {
	at, scales := make([]view.Range, len(tensors)), make([]view.Range, len(tensors))
	for i, t := range tensors {
		d := m.dense[denseKey{layer, t.Name}]
		at[i] = b.Tensor(t.Name, dtypes[d.kind], t.Shape)
		if d.kind == q8_0 {
			last := len(t.Shape) - 1
			scales[i] = b.Tensor(t.Name+".scales", "F16", append(slices.Clone(t.Shape[:last]), t.Shape[last]/kinds[q8_0].values))
		}
	}
	for i, t := range tensors {
		d := m.dense[denseKey{layer, t.Name}]
		for _, p := range d.pieces {
			t := kinds[p.kind]
			n := p.len / t.bytes * t.values // values
			value := view.Range{Off: at[i].Off, Len: n * kinds[d.kind].bytes}
			if d.kind == q8_0 {
				value.Len = n
				scale := view.Range{Off: scales[i].Off, Len: n / t.values * 2}
				b.Apply(splitQ8, []view.Extent{p.extent()}, value, scale)
				scales[i].Off += scale.Len
			} else {
				fill(b, p.kind, d.kind, []view.Extent{p.extent()}, value)
			}
			at[i].Off += value.Len
		}
	}
}

// Close closes the files.
func (m *model) Close() error {
	var errs []error
	for _, f := range slices.Concat(m.files, m.small) {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// find returns the tensors of the first way of naming them of which one is there;
// what is missing of it is an error, and so is having none.
func (m *model) find(layer int, ways [][]string) ([]place, error) {
	for _, way := range ways {
		var found []place
		missing := ""
		for _, name := range way {
			if p, ok := m.places[named(layer, name)]; ok {
				found = append(found, p)
			} else {
				missing = named(layer, name)
			}
		}
		if len(found) > 0 && missing != "" {
			return nil, fmt.Errorf("tensor %q is missing: download it again", missing)
		}
		if len(found) > 0 {
			return found, nil
		}
	}
	return nil, fmt.Errorf("tensor %q is missing: download it again", named(layer, ways[0][0]))
}
