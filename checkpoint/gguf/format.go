package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"expertfs/checkpoint/format"
	"expertfs/checkpoint/source"
)

// Format is GGUF. See [format.Format].
var Format format.Format = gguf{}

type gguf struct{}

func (gguf) Name() string { return "gguf" }

// ext ends the names of GGUF files in folders.
const ext = ".gguf"

// shardName matches the name of one of several files: stem, number, count.
var shardName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.gguf$`)

// Detect recognises a file by its first bytes, and a folder by the names in it.
func (gguf) Detect(p *format.Place) format.Found {
	if p.File != "" {
		if begins(p.Folder, p.File) {
			return format.Weights
		}
		return format.Nothing
	}
	if names, err := models(p.Folder); err == nil && len(names) > 0 {
		return format.Weights
	}
	return format.Nothing
}

// begins tells whether a file begins as GGUF files do.
func begins(f source.Folder, name string) bool {
	s, err := f.Open(name)
	if err != nil {
		return false
	}
	defer s.Close()
	var p [len(magic)]byte
	n, _ := source.Reader(s).ReadAt(p[:], 0)
	return string(p[:n]) == magic
}

// models returns the first file of each model in a folder.
func models(f source.Folder) ([]string, error) {
	names, err := f.List()
	if err != nil {
		return nil, err
	}
	first := map[string]string{} // by the stem
	for _, name := range names {
		if strings.HasPrefix(name, ".") || path.Ext(name) != ext {
			continue
		}
		stem := name
		if m := shardName.FindStringSubmatch(name); m != nil {
			stem = m[1] + "/" + m[3]
		}
		if first[stem] == "" {
			first[stem] = name
		}
	}
	return slices.Sorted(maps.Values(first)), nil
}

// Open opens a model of one file or several.
func (gguf) Open(p *format.Place) (format.Model, error) {
	name := p.File
	if name == "" {
		names, err := models(p.Folder)
		if err != nil {
			return nil, err
		}
		if len(names) > 1 {
			return nil, fmt.Errorf("%s: holds several models: give one of the files, such as %s", p.Folder.Describe(""), names[0])
		}
		name = names[0]
	}
	m := &model{places: map[string]place{}}
	if err := m.load(p.Folder, name); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// load fills in a model; the caller closes it after an error.
func (m *model) load(f source.Folder, name string) error {
	names := shards(name)
	var bad format.Problems
	for i, name := range names {
		if err := m.openFile(f, name, i, len(names)); err != nil {
			bad.Addf("%w", err)
		}
	}
	if len(bad) > 0 {
		return bad.Err() // a broken file explains the tensors that it lacks
	}
	embedding, ok := m.places["token_embd.weight"]
	if !ok || len(embedding.dims) != 2 {
		return fmt.Errorf("%s: tensor \"token_embd.weight\" is missing or no matrix: not a language model", f.Describe(name))
	}
	var err error
	if m.config, err = readConfig(m.metadata, int(embedding.dims[1])); err != nil {
		return fmt.Errorf("%s: %w", f.Describe(names[0]), err)
	}
	m.resolve(func(file int) string { return f.Describe(names[file]) }, &bad)
	if len(bad) > 0 {
		return bad.Err()
	}
	if err := m.chooseTypes(); err != nil {
		return err
	}
	if err := m.makeSmall(); err != nil {
		return fmt.Errorf("%s: %w", f.Describe(names[0]), err)
	}
	return nil
}

// shards returns the names of all files of the model that one of them is of.
func shards(name string) []string {
	m := shardName.FindStringSubmatch(name)
	if m == nil {
		return []string{name}
	}
	count, _ := strconv.Atoi(m[3]) // five digits
	if count == 0 {
		return []string{name}
	}
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%05d-of-%s%s", m[1], i+1, m[3], ext)
	}
	return names
}

// openFile opens file i of n and notes its tensors.
func (m *model) openFile(f source.Folder, name string, i, n int) error {
	s, err := f.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: is not there: download it", f.Describe(name))
	} else if err != nil {
		return err
	}
	m.files = append(m.files, s)
	h, err := readHeader(s)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Describe(name), err)
	}
	if err := h.checkShard(i, n); err != nil {
		return fmt.Errorf("%s: %w", f.Describe(name), err)
	}
	if i == 0 {
		m.metadata = h.metadata
	}
	for _, t := range h.tensors {
		if other, twice := m.places[t.name]; twice {
			return fmt.Errorf("%s: tensor %q is in %s as well", f.Describe(name), t.name, m.files[other.file].Name())
		}
		m.places[t.name] = place{len(m.files) - 1, t}
	}
	return nil
}

// checkShard compares what a file says of its place among others with its name.
func (h *header) checkShard(i, n int) error {
	count, split, err := get[int64](h.metadata, "split.count")
	if err != nil {
		return err
	}
	no, _, err := get[int64](h.metadata, "split.no")
	if err != nil {
		return err
	}
	split = split && count != 0 // which is one that llama-gguf-split --merge has made of several
	switch {
	case !split && n > 1:
		return fmt.Errorf("is named as one of %d files, but is a whole one", n)
	case split && count != int64(n) && n == 1 && count > 1:
		return fmt.Errorf("is one of %d files: give it the name that it was published under, as in model-00001-of-%05d.gguf", count, count)
	case split && (count != int64(n) || no != int64(i)):
		return fmt.Errorf("is file %d of %d, but is named as %d of %d", no+1, count, i+1, n)
	}
	return nil
}
