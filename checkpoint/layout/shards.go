package layout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"

	"expertfs/checkpoint/format"
	"expertfs/checkpoint/safetensors"
	"expertfs/checkpoint/source"
)

// maxIndex is the largest index, in bytes, that is read.
const maxIndex = 32 << 20

// index is the file that tells which shard holds which tensor.
type index struct {
	WeightMap map[string]string `json:"weight_map"` // tensor to file name
}

// readIndex returns nil when the folder has no index.
func readIndex(f folder) (*index, error) {
	if !source.Has(f, IndexName) {
		return nil, nil
	}
	text, err := f.readFile(IndexName, maxIndex)
	if err != nil {
		return nil, err
	}
	var idx index
	if err := json.Unmarshal(text, &idx); err != nil {
		return nil, fmt.Errorf("%s: not the JSON of an index: %w", f.Describe(IndexName), err)
	}
	if len(idx.WeightMap) == 0 {
		return nil, fmt.Errorf("%s: weight_map is missing or empty: download it again", f.Describe(IndexName))
	}
	return &idx, nil
}

// shards returns the names of the files, sorted. Without an index they are all
// the safetensors files of the folder.
func (idx *index) shards(f folder) ([]string, error) {
	if idx == nil {
		return f.weights(), nil
	}
	names := slices.Compact(slices.Sorted(maps.Values(idx.WeightMap)))
	for _, name := range names {
		if strings.ContainsAny(name, `/\`) || !strings.HasSuffix(name, weightsExt) {
			return nil, fmt.Errorf("%s: names shard %q, expected a *%s file of the same folder", f.Describe(IndexName), name, weightsExt)
		}
	}
	return names, nil
}

// openShards opens the files with weights, reads their headers and checks that
// they hold the config's model. A whole model.safetensors needs no index: one
// beside it is left over from another download, as loaders of such folders take
// it too.
func (m *model) openShards(f folder) error {
	idx, err := readIndex(f)
	var names []string
	if err == nil {
		names, err = idx.shards(f)
	}
	stale := idx != nil || err != nil
	if !stale || slices.Contains(names, weightsName) || !source.Has(f, weightsName) {
		if err != nil {
			return err
		}
		return m.openFiles(f, names, idx)
	}
	single := m.openFiles(f, []string{weightsName}, nil)
	if single == nil || !slices.ContainsFunc(names, func(name string) bool { return source.Has(f, name) }) {
		return single
	}
	if err := m.reset(); err != nil {
		return err
	}
	return m.openFiles(f, names, idx)
}

// reset closes the files with weights.
func (m *model) reset() error {
	var errs []error
	for _, f := range m.files {
		errs = append(errs, f.Close())
	}
	m.files, m.places = nil, map[string]place{}
	return errors.Join(errs...)
}

// openFiles opens the files of these names; idx may be nil.
func (m *model) openFiles(f folder, names []string, idx *index) error {
	var bad format.Problems
	for _, name := range names {
		if err := m.openShard(f, name, idx); err != nil {
			bad.Addf("%w", err)
		}
	}
	if len(bad) > 0 {
		return bad.Err() // a broken shard explains the tensors that it lacks
	}
	if err := m.refuse(f); err != nil {
		return err
	}
	m.verify(f, idx, &bad)
	return bad.Err()
}

// openShard opens one file and notes its tensors.
func (m *model) openShard(f folder, name string, idx *index) error {
	file, err := f.Open(name)
	if errors.Is(err, fs.ErrNotExist) && idx != nil {
		return fmt.Errorf("%s: names shard %s, which is not there: download it", f.Describe(IndexName), name)
	} else if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: a link to nothing: download it again", f.Describe(name))
	} else if err != nil {
		return err
	}
	m.files = append(m.files, file)
	header, err := safetensors.ReadHeader(source.Reader(file), file.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", f.Describe(name), err)
	}
	for _, t := range header.Tensors {
		if other, twice := m.places[t.Name]; twice {
			return fmt.Errorf("%s: tensor %q is in %s as well: remove the file that does not belong here",
				f.Describe(name), t.Name, m.files[other.file].Name())
		}
		m.places[t.Name] = place{len(m.files) - 1, t}
	}
	return nil
}

// identify returns the layout that tensors of these names have, nil for none.
func identify(names iter.Seq[string]) *Layout {
	for name := range names {
		for _, l := range layouts {
			if before, _, _ := strings.Cut(l.prefix, "%"); strings.HasPrefix(name, before) {
				return l
			}
		}
	}
	return nil
}

// tensorNames returns the names in a header.
func tensorNames(h *safetensors.Header) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, t := range h.Tensors {
			if !yield(t.Name) {
				return
			}
		}
	}
}

// refuse refuses weights that are no GPT-OSS model's, and exports whose experts
// are not MXFP4.
func (m *model) refuse(f folder) error {
	if identify(maps.Keys(m.places)) == nil {
		return fmt.Errorf("%s: no tensor is named as in GPT-OSS (block.N... or model.layers.N...)", f.Describe(""))
	}
	for _, name := range slices.Sorted(maps.Keys(m.places)) {
		if strings.HasSuffix(name, ".mlp.experts.gate_up_proj") || strings.HasSuffix(name, ".mlp.mlp1_weight") ||
			strings.Contains(name, ".mlp.experts.gate_up_projs.") {
			return fmt.Errorf("%s: tensor %q: the experts are not MXFP4, this is a dequantised export: use the checkpoint as published",
				f.Describe(m.fileOf(name)), name)
		}
	}
	return nil
}

// fileOf returns the name of the file that holds a tensor.
func (m *model) fileOf(tensor string) string { return m.files[m.places[tensor].file].Name() }

// verify notes every tensor of the model that is missing, not what the config
// says, or not where the index says; idx may be nil.
func (m *model) verify(f folder, idx *index, bad *format.Problems) {
	m.compareDimensions(f, bad)
	for _, want := range m.layout.Tensors(m.config) {
		got, ok := m.places[want.Name]
		shard, listed := idx.shardOf(want.Name)
		switch {
		case !ok:
			bad.Addf("%s: tensor %q is missing, expected %s%v: download it again", f.Describe(shard), want.Name, want.DType, want.Shape)
		case got.DType != want.DType || !slices.Equal(got.Shape, want.Shape):
			bad.Addf("%s: tensor %q is %s%v, expected %s%v by %s",
				f.Describe(m.fileOf(want.Name)), want.Name, got.DType, got.Shape, want.DType, want.Shape, ConfigName)
		case idx != nil && !listed:
			bad.Addf("%s: no entry for tensor %q, which is in %s: download the index again", f.Describe(IndexName), want.Name, m.fileOf(want.Name))
		case idx != nil && shard != m.fileOf(want.Name):
			bad.Addf("%s: places tensor %q in %s, but it is in %s: download the index again", f.Describe(IndexName), want.Name, shard, m.fileOf(want.Name))
		}
	}
	beyond := m.layout.layerPrefix(m.config.Layers)
	for _, name := range slices.Sorted(maps.Keys(m.places)) {
		if strings.HasPrefix(name, beyond) {
			bad.Addf("%s: num_hidden_layers is %d, but there is a tensor %q", f.Describe(ConfigName), m.config.Layers, name)
			return
		}
	}
}

// shardOf returns the file in which the index places a tensor.
func (idx *index) shardOf(tensor string) (name string, ok bool) {
	if idx == nil {
		return "", false
	}
	name, ok = idx.WeightMap[tensor]
	return name, ok
}
