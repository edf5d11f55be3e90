package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"expertfs"
	"expertfs/checkpoint"
)

// tinyTree writes the files of the small model that the project carries, as a
// mount would show them, and returns their folder.
func tinyTree(t testing.TB) string {
	t.Helper()
	ck, err := checkpoint.Open("embed:tiny")
	require.NoError(t, err)
	defer ck.Close()
	dir := t.TempDir()
	write := func(name string, parts ...io.Reader) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		data, err := io.ReadAll(io.MultiReader(parts...))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}
	view := func(name string, v *checkpoint.View) {
		parts := []io.Reader{bytes.NewReader(v.Header)}
		for _, x := range v.Extents {
			parts = append(parts, io.NewSectionReader(ck.Files()[x.File], x.Off, x.Len))
		}
		write(name, parts...)
	}
	for _, f := range ck.Small() {
		write(f.Name(), io.NewSectionReader(f, 0, f.Size()))
	}
	view(expertfs.EmbeddingPath, ck.Embedding())
	view(expertfs.UnembeddingPath, ck.Unembedding())
	names := expertfs.Names{Layers: ck.Config().Layers, Experts: ck.Config().Experts}
	for l := range names.Layers {
		view(names.DensePath(l), ck.Dense(l))
		for e := range names.Experts {
			view(names.ExpertPath(expertfs.NewKey(l, e)), ck.Expert(l, e))
		}
	}
	return dir
}
