package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"expertfs/checkpoint/config"
	"expertfs/checkpoint/format"
	"expertfs/checkpoint/layout"
	"expertfs/checkpoint/safetensors"
	"expertfs/checkpoint/source"

	"github.com/stretchr/testify/require"
)

// sampleConfig is the smallest model in which all dimensions differ.
func sampleConfig(t testing.TB) *config.Config {
	t.Helper()
	c, err := config.Preset("tiny")
	require.NoError(t, err)
	c.SetLayers(2)
	c.Experts, c.TopK, c.Hidden, c.Intermediate, c.Vocab = 3, 2, 64, 32, 40
	c.HeadDim, c.Heads, c.KVHeads = 6, 4, 2
	return c
}

// files is a checkpoint in memory, by file name.
type files map[string][]byte

// sample makes a sound checkpoint of random bytes. Each of its shards, one or
// more, takes every n-th tensor.
func sample(t testing.TB, l *layout.Layout, shards int) files {
	t.Helper()
	c := sampleConfig(t)
	text, err := l.EncodeConfig(c)
	require.NoError(t, err)
	out := files{layout.ConfigName: text, "tokenizer.json": []byte("{}")}
	index := map[string]string{}
	for i := range shards {
		name := "model.safetensors"
		if shards > 1 {
			name = "part" + string(rune('a'+i)) + ".safetensors"
		}
		var ts []safetensors.Tensor
		for j, want := range l.Tensors(c) {
			if j%shards == i {
				ts = append(ts, safetensors.Tensor{Name: want.Name, DType: want.DType, Shape: want.Shape})
				index[want.Name] = name
			}
		}
		out[name] = shardOf(t, ts)
	}
	if shards > 1 {
		out[layout.IndexName], err = json.Marshal(map[string]any{"weight_map": index})
		require.NoError(t, err)
	}
	return out
}

// shardOf makes a file of tensors with random bytes.
func shardOf(t testing.TB, ts []safetensors.Tensor) []byte {
	t.Helper()
	file, err := safetensors.AppendHeader(nil, ts, nil, 8)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(1, uint64(len(ts))))
	for _, tensor := range ts {
		n, err := safetensors.ByteLen(tensor.DType, tensor.Shape)
		require.NoError(t, err)
		for range n {
			file = append(file, byte(rng.UintN(255))) // never 255, which is no scale
		}
	}
	return file
}

// open opens the checkpoint as if it were embedded under the name "mem".
func (f files) open() (*Checkpoint, error) {
	m := fstest.MapFS{}
	for name, data := range f {
		m[name] = &fstest.MapFile{Data: data}
	}
	return open(&format.Place{Folder: source.FS("mem", m, time.Time{}), Name: "mem"})
}

// save writes the files to a folder, which is made.
func (f files) save(t testing.TB, dir string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for name, data := range f {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
}

// entry is a tensor in a header.
type entry struct {
	DType   string   `json:"dtype"`
	Shape   []int64  `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// editHeader rewrites the header of one file and keeps its data.
func (f files) editHeader(t testing.TB, name string, edit func(map[string]entry)) {
	t.Helper()
	file := f[name]
	n := binary.LittleEndian.Uint64(file)
	header := map[string]entry{}
	require.NoError(t, json.Unmarshal(file[8:8+n], &header))
	edit(header)
	text, err := json.Marshal(header)
	require.NoError(t, err)
	f[name] = slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text, file[8+n:])
}

// editJSON changes keys of a JSON file; a nil value removes the key.
func (f files) editJSON(t testing.TB, name string, changes map[string]any) {
	t.Helper()
	keys := map[string]any{}
	require.NoError(t, json.Unmarshal(f[name], &keys))
	maps.Copy(keys, changes)
	maps.DeleteFunc(keys, func(_ string, v any) bool { return v == nil })
	text, err := json.Marshal(keys)
	require.NoError(t, err)
	f[name] = text
}

// editIndex changes the weight map.
func (f files) editIndex(t testing.TB, edit func(map[string]string)) {
	t.Helper()
	var idx struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	require.NoError(t, json.Unmarshal(f[layout.IndexName], &idx))
	edit(idx.WeightMap)
	text, err := json.Marshal(map[string]any{"weight_map": idx.WeightMap})
	require.NoError(t, err)
	f[layout.IndexName] = text
}

// replaceName gives a tensor another name in a header without moving anything.
func (f files) replaceName(t testing.TB, file, from, to string) {
	t.Helper()
	f.editHeader(t, file, func(h map[string]entry) {
		e, ok := h[from]
		require.True(t, ok, from)
		delete(h, from)
		h[to] = e
	})
}

// clone copies the files so that they can be damaged.
func (f files) clone() files {
	out := files{}
	for name, data := range f {
		out[name] = bytes.Clone(data)
	}
	return out
}

// oneLine fails unless an error is a single line.
func oneLine(t testing.TB, err error) {
	t.Helper()
	require.False(t, strings.Contains(err.Error(), "\n"), "%q", err)
}
