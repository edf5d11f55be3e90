package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"expertfs/checkpoint/safetensors"
)

// maxIndex is the largest index, in bytes, that is read.
const maxIndex = 32 << 20

// index is the file that tells which shard holds which tensor.
type index struct {
	WeightMap map[string]string `json:"weight_map"` // tensor to file name
}

// readIndex returns nil when the folder has no index.
func readIndex(f *folder) (*index, error) {
	if !f.has(indexName) {
		return nil, nil
	}
	text, err := f.readFile(indexName, maxIndex)
	if err != nil {
		return nil, err
	}
	var idx index
	if err := json.Unmarshal(text, &idx); err != nil {
		return nil, fmt.Errorf("%s: not the JSON of an index: %w", f.describe(indexName), err)
	}
	if len(idx.WeightMap) == 0 {
		return nil, fmt.Errorf("%s: weight_map is missing or empty: download it again", f.describe(indexName))
	}
	return &idx, nil
}

// shards returns the names of the files, sorted. Without an index they are all
// the safetensors files of the folder.
func (idx *index) shards(f *folder) ([]string, error) {
	if idx == nil {
		return f.weights(), nil
	}
	names := slices.Compact(slices.Sorted(maps.Values(idx.WeightMap)))
	for _, name := range names {
		if strings.ContainsAny(name, `/\`) || !strings.HasSuffix(name, weightsExt) {
			return nil, fmt.Errorf("%s: names shard %q, expected a *%s file of the same folder", f.describe(indexName), name, weightsExt)
		}
	}
	return names, nil
}

// openShards opens the files with weights, reads their headers and checks that
// they hold the config's model.
func (c *Checkpoint) openShards(f *folder) error {
	idx, err := readIndex(f)
	if err != nil {
		return err
	}
	names, err := idx.shards(f)
	if err != nil {
		return err
	}
	var bad problems
	for _, name := range names {
		if err := c.openShard(f, name, idx); err != nil {
			bad.addf("%w", err)
		}
	}
	if len(bad) > 0 {
		return bad.err() // a broken shard explains the tensors that it lacks
	}
	if err := c.identify(f); err != nil {
		return err
	}
	c.verify(f, idx, &bad)
	return bad.err()
}

// openShard opens one file and notes its tensors.
func (c *Checkpoint) openShard(f *folder, name string, idx *index) error {
	file, err := f.openFile(name)
	if errors.Is(err, fs.ErrNotExist) && idx != nil {
		return fmt.Errorf("%s: names shard %s, which is not there: download it", f.describe(indexName), name)
	} else if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: a link to nothing: download it again", f.describe(name))
	} else if err != nil {
		return err
	}
	c.files = append(c.files, file)
	header, err := safetensors.ReadHeader(file, file.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", f.describe(name), err)
	}
	for _, t := range header.Tensors {
		if other, twice := c.places[t.Name]; twice {
			return fmt.Errorf("%s: tensor %q is in %s as well: remove the file that does not belong here",
				f.describe(name), t.Name, c.files[other.file].Name())
		}
		c.places[t.Name] = place{len(c.files) - 1, t}
	}
	return nil
}

// identify tells the layout and refuses exports whose experts are not MXFP4.
func (c *Checkpoint) identify(f *folder) error {
	names := slices.Sorted(maps.Keys(c.places))
	begins := func(prefix string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, prefix) })
	}
	switch {
	case begins("block."):
		c.layout = OpenAI
	case begins("model.layers."):
		c.layout = HuggingFace
	default:
		return fmt.Errorf("%s: no tensor is named as in GPT-OSS (block.N... or model.layers.N...)", f.describe(""))
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".mlp.experts.gate_up_proj") || strings.HasSuffix(name, ".mlp.mlp1_weight") ||
			strings.Contains(name, ".mlp.experts.gate_up_projs.") {
			return fmt.Errorf("%s: tensor %q: the experts are not MXFP4, this is a dequantised export: use the checkpoint as published",
				f.describe(c.fileOf(name)), name)
		}
	}
	return nil
}

// fileOf returns the name of the file that holds a tensor.
func (c *Checkpoint) fileOf(tensor string) string { return c.files[c.places[tensor].file].Name() }

// verify notes every tensor of the model that is missing, not what the config
// says, or not where the index says; idx may be nil.
func (c *Checkpoint) verify(f *folder, idx *index, bad *problems) {
	c.compareDimensions(f, bad)
	for _, want := range Tensors(c.config, c.layout) {
		got, ok := c.places[want.Name]
		shard, listed := idx.shardOf(want.Name)
		switch {
		case !ok:
			bad.addf("%s: tensor %q is missing, expected %s%v: download it again", f.describe(shard), want.Name, want.DType, want.Shape)
		case got.DType != want.DType || !slices.Equal(got.Shape, want.Shape):
			bad.addf("%s: tensor %q is %s%v, expected %s%v by %s",
				f.describe(c.fileOf(want.Name)), want.Name, got.DType, got.Shape, want.DType, want.Shape, configName)
		case idx != nil && !listed:
			bad.addf("%s: no entry for tensor %q, which is in %s: download the index again", f.describe(indexName), want.Name, c.fileOf(want.Name))
		case idx != nil && shard != c.fileOf(want.Name):
			bad.addf("%s: places tensor %q in %s, but it is in %s: download the index again", f.describe(indexName), want.Name, shard, c.fileOf(want.Name))
		}
	}
	beyond := c.layout.layerPrefix(c.config.Layers)
	for _, name := range slices.Sorted(maps.Keys(c.places)) {
		if strings.HasPrefix(name, beyond) {
			bad.addf("%s: num_hidden_layers is %d, but there is a tensor %q", f.describe(configName), c.config.Layers, name)
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
