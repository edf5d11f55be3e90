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
	"expertfs/checkpoint/source"
)

// tinyTree writes the files of the small model that the project carries, as a
// mount would show them, and returns their folder.
func tinyTree(t testing.TB) string {
	t.Helper()
	ck, err := checkpoint.Open("embed:tiny")
	require.NoError(t, err)
	defer ck.Close()
	dir := t.TempDir()
	write := func(name string, from io.Reader) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		data, err := io.ReadAll(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}
	view := func(name string, v *checkpoint.View) {
		data, err := ck.ReadAll(v)
		require.NoError(t, err)
		write(name, bytes.NewReader(data))
	}
	for _, f := range ck.Small() {
		write(f.Name(), source.Section(f))
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
