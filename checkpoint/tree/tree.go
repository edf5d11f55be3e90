package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"

	"expertfs"
	"expertfs/checkpoint/config"
	"expertfs/checkpoint/format"
	"expertfs/checkpoint/safetensors"
	"expertfs/checkpoint/source"
	"expertfs/checkpoint/view"
)

// Format is the tree of a mount. See [format.Format].
var Format format.Format = tree{}

type tree struct{}

// keepOpen is how many files are kept open for the next read.
const keepOpen = 256

// maxConfig is the largest config.json, in bytes, that is read.
const maxConfig = 1 << 20

func (tree) Name() string { return "tree" }

// Detect recognises a folder by the embedding's file. A mount itself is none: what
// it shows is mounted already.
func (tree) Detect(p *format.Place) format.Found {
	if p.File != "" || !source.Has(p.Folder, expertfs.EmbeddingPath) || source.Has(p.Folder, expertfs.ControlDir) {
		return format.Nothing
	}
	return format.Weights
}

// model is an open tree.
type model struct {
	config *config.Config
	names  expertfs.Names
	files  []source.Source
	small  []source.Source
	// By file: embedding, unembedding, dense files of layers, experts.
	tensors [][]safetensors.Tensor
}

func (tree) Open(p *format.Place) (format.Model, error) {
	m := &model{}
	if err := m.load(p); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// load fills in a model; the caller closes it after an error.
func (m *model) load(p *format.Place) (err error) {
	if m.config, err = readConfig(p.Folder); err != nil {
		return err
	}
	c := m.config
	m.names = expertfs.Names{Layers: c.Layers, Experts: c.Experts}
	pool := source.NewPool(p.Folder, keepOpen)
	var bad format.Problems
	add := func(path string, want []format.Tensor, types map[string][]string) {
		if err := m.add(pool, p.Folder, path, want, types); err != nil {
			bad.Addf("%w", err)
		}
	}
	add(expertfs.EmbeddingPath, []format.Tensor{format.Embedding(c)}, denseTypes)
	add(expertfs.UnembeddingPath, format.Unembedding(c), denseTypes)
	for layer := range c.Layers {
		add(m.names.DensePath(layer), format.Dense(c), denseTypes)
	}
	for layer := range c.Layers {
		for expert := range c.Experts {
			add(m.names.ExpertPath(expertfs.NewKey(layer, expert)), format.Expert(c), expertTypes)
		}
	}
	if len(bad) > 0 {
		return bad.Err()
	}
	first := m.tensors[m.expert(expertfs.Key{})]
	for i, ts := range m.tensors[m.expert(expertfs.Key{}):] {
		for j, t := range ts {
			if t.DType != first[j].DType {
				return fmt.Errorf("%s: tensor %q is %s, but %s in another expert", m.files[m.expert(expertfs.Key{})+i].Name(), t.Name, t.DType, first[j].DType)
			}
		}
	}
	m.small, err = format.OpenSmall(p)
	return err
}

// readConfig reads the folder's config.json.
func readConfig(f source.Folder) (*config.Config, error) {
	const name = "config.json"
	s, err := f.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: missing: copy it from the mount", f.Describe(name))
	} else if err != nil {
		return nil, err
	}
	defer s.Close()
	if s.Size() > maxConfig {
		return nil, fmt.Errorf("%s: larger than %d bytes, damaged or not what its name says", f.Describe(name), maxConfig)
	}
	text := make([]byte, s.Size())
	if n, err := source.Reader(s).ReadAt(text, 0); n < len(text) {
		return nil, fmt.Errorf("%s: %w", f.Describe(name), err)
	}
	c, err := config.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Describe(name), err)
	}
	return c, nil
}

// Types that tensors may have; those that are not listed have the published one.
var (
	wideTypes  = []string{"BF16", "F32", "F16", "I8"}
	denseTypes = map[string][]string{
		"embedding.weight": wideTypes, "unembedding.weight": wideTypes, "attn.qkv.weight": wideTypes,
		"attn.out.weight": wideTypes, "mlp.gate.weight": wideTypes,
	}
	expertTypes = map[string][]string{"mlp1_bias": {"BF16", "F32"}, "mlp2_bias": {"BF16", "F32"}}
	vectorTypes = []string{"BF16", "F32"}
)

// scalesSuffix ends the name of the tensor beside an I8 one.
const scalesSuffix = ".scales"

// add opens a file, checks that it has the tensors, and notes where they lie.
func (m *model) add(pool *source.Pool, f source.Folder, path string, want []format.Tensor, types map[string][]string) error {
	var found []safetensors.Tensor
	s, err := pool.Source(path, func(s source.Source) error {
		h, err := safetensors.ReadHeader(source.Reader(s), s.Size())
		if err == nil {
			found, err = check(h, want, types)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: missing: copy it from the mount", f.Describe(path))
	} else if err != nil {
		return fmt.Errorf("%s: %w", f.Describe(path), err)
	}
	m.files, m.tensors = append(m.files, s), append(m.tensors, found)
	return nil
}

// check finds the tensors of a file.
func check(h *safetensors.Header, want []format.Tensor, types map[string][]string) ([]safetensors.Tensor, error) {
	var found []safetensors.Tensor
	take := func(name string, dtypes []string, shape []int64) (safetensors.Tensor, error) {
		t, ok := h.Tensor(name)
		switch {
		case !ok:
			return t, fmt.Errorf("tensor %q is missing", name)
		case !slices.Contains(dtypes, t.DType) || !slices.Equal(t.Shape, shape):
			return t, fmt.Errorf("tensor %q is %s%v, expected %s%v by config.json", name, t.DType, t.Shape, dtypes[0], shape)
		}
		found = append(found, t)
		return t, nil
	}
	for _, w := range want {
		dtypes, ok := types[w.Name]
		if !ok {
			dtypes = []string{w.DType}
			if w.DType == "BF16" {
				dtypes = vectorTypes
			}
		}
		t, err := take(w.Name, dtypes, w.Shape)
		if err == nil && t.DType == "I8" {
			_, err = take(w.Name+scalesSuffix, []string{"F16"}, []int64{w.Shape[0], w.Shape[1] / 32})
		}
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// expert is the index of an expert's file.
func (m *model) expert(k expertfs.Key) int {
	return 2 + m.config.Layers + int(k.Layer)*m.config.Experts + int(k.Expert)
}

func (m *model) Form() string                { return "" }
func (m *model) Config() *config.Config      { return m.config }
func (m *model) Files() []source.Source      { return m.files }
func (m *model) Small() []source.Source      { return m.small }
func (m *model) Embedding(b *view.Builder)   { m.copy(b, 0) }
func (m *model) Unembedding(b *view.Builder) { m.copy(b, 1) }

func (m *model) Dense(b *view.Builder, layer int)       { m.copy(b, 2+layer) }
func (m *model) Expert(b *view.Builder, k expertfs.Key) { m.copy(b, m.expert(k)) }

// copy adds all tensors of a file.
func (m *model) copy(b *view.Builder, file int) {
	at := make([]view.Range, len(m.tensors[file]))
	for i, t := range m.tensors[file] {
		at[i] = b.Tensor(t.Name, t.DType, t.Shape)
	}
	for i, t := range m.tensors[file] {
		b.Copy(at[i].Off, view.Extent{File: file, Off: t.Offset, Len: t.Length})
	}
}

// Stored lists the tensors file by file.
func (m *model) Stored() iter.Seq[format.Stored] {
	return func(yield func(format.Stored) bool) {
		for i, ts := range m.tensors {
			for _, t := range ts {
				if !yield(format.Stored{Name: t.Name, Extent: view.Extent{File: i, Off: t.Offset, Len: t.Length}}) {
					return
				}
			}
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
