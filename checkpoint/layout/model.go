package layout

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"expertfs"
	"expertfs/checkpoint/config"
	"expertfs/checkpoint/format"
	"expertfs/checkpoint/safetensors"
	"expertfs/checkpoint/source"
	"expertfs/checkpoint/view"
)

// Names of files that a checkpoint has.
const (
	ConfigName  = "config.json"
	IndexName   = "model.safetensors.index.json"
	weightsName = "model.safetensors"
	weightsExt  = ".safetensors"
)

// maxConfig is the largest config.json, in bytes, that is read.
const maxConfig = 1 << 20

// model is an open checkpoint.
type model struct {
	layout *Layout
	config *config.Config
	files  []source.Source
	small  []source.Source
	places map[string]place // by the name in the checkpoint
}

// place says where a tensor lies.
type place struct {
	file int // index into files
	safetensors.Tensor
}

// Open opens a checkpoint of this layout; see [format.Format].
func (l *Layout) Open(p *format.Place) (format.Model, error) {
	m := &model{layout: l, places: map[string]place{}}
	if err := m.load(p); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// load fills in a model; the caller closes it after an error.
func (m *model) load(p *format.Place) error {
	f := folder{p.Folder}
	text, err := f.readFile(ConfigName, maxConfig)
	if err != nil {
		return err
	}
	if m.config, err = config.Parse(text); err != nil {
		return fmt.Errorf("%s: %w", f.Describe(ConfigName), err)
	}
	if err := m.openShards(f); err != nil {
		return err
	}
	m.small, err = format.OpenSmall(p)
	return err
}

func (m *model) Form() string           { return "" }
func (m *model) Config() *config.Config { return m.config }
func (m *model) Files() []source.Source { return m.files }
func (m *model) Small() []source.Source { return m.small }

// Stored lists the tensors layer by layer.
func (m *model) Stored() iter.Seq[format.Stored] {
	return func(yield func(format.Stored) bool) {
		for _, t := range m.layout.Tensors(m.config) {
			p := m.places[t.Name]
			if !yield(format.Stored{Name: p.Name, Extent: p.extent()}) {
				return
			}
		}
	}
}

func (p place) extent() view.Extent { return view.Extent{File: p.file, Off: p.Offset, Len: p.Length} }

// Expert adds an expert's slice of each of the stacked tensors.
func (m *model) Expert(b *view.Builder, k expertfs.Key) {
	parts := format.Expert(m.config)
	at := declare(b, parts)
	for i, t := range parts {
		stacked := m.layout.tensors(m.config, int(k.Layer), format.Stacked(m.config, t))[0]
		e := m.places[stacked.Name].extent()
		e.Len /= int64(m.config.Experts)
		e.Off += int64(k.Expert) * e.Len
		b.Copy(at[i].Off, e)
	}
}

func (m *model) Dense(b *view.Builder, layer int) { m.whole(b, layer, format.Dense(m.config)) }

func (m *model) Embedding(b *view.Builder) {
	m.whole(b, format.NoLayer, []format.Tensor{format.Embedding(m.config)})
}

func (m *model) Unembedding(b *view.Builder) {
	m.whole(b, format.NoLayer, format.Unembedding(m.config))
}

// whole adds whole tensors; those that the layout cuts are gathered.
func (m *model) whole(b *view.Builder, layer int, parts []format.Tensor) {
	at := declare(b, parts)
	for i, t := range parts {
		off := at[i].Off
		for _, piece := range m.layout.tensors(m.config, layer, t) {
			e := m.places[piece.Name].extent()
			b.Copy(off, e)
			off += e.Len
		}
	}
}

// declare names the tensors of a view and returns where they lie.
func declare(b *view.Builder, parts []format.Tensor) []view.Range {
	at := make([]view.Range, len(parts))
	for i, t := range parts {
		at[i] = b.Tensor(t.Name, t.DType, t.Shape)
	}
	return at
}

// Close closes the files.
func (m *model) Close() error {
	var errs []error
	for _, f := range slices.Concat(m.files, m.small) {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
