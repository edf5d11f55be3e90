package infer

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

// shared returns the folder of reference data, which is not part of the project.
func shared(t testing.TB, parts ...string) string {
	t.Helper()
	dir := os.Getenv("EXPERTFS_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared")
	}
	path := filepath.Join(append([]string{dir}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("reference data is not here: %v", err)
	}
	return path
}

// makeTree writes the files that a mount of the checkpoint would show, and
// returns their folder.
func makeTree(t testing.TB, path string) string {
	t.Helper()
	ck, err := checkpoint.Open(path)
	require.NoError(t, err)
	defer ck.Close()
	dir := t.TempDir()
	for _, f := range ck.Small() {
		copyTo(t, filepath.Join(dir, f.Name()), source.Section(f))
	}
	cfg := ck.Config()
	names := expertfs.Names{Layers: cfg.Layers, Experts: cfg.Experts}
	writeView(t, ck, filepath.Join(dir, expertfs.EmbeddingPath), ck.Embedding())
	writeView(t, ck, filepath.Join(dir, expertfs.UnembeddingPath), ck.Unembedding())
	for l := range cfg.Layers {
		writeView(t, ck, filepath.Join(dir, names.DensePath(l)), ck.Dense(l))
		for x := range cfg.Experts {
			writeView(t, ck, filepath.Join(dir, names.ExpertPath(expertfs.NewKey(l, x))), ck.Expert(l, x))
		}
	}
	return dir
}

func writeView(t testing.TB, ck *checkpoint.Checkpoint, path string, v *checkpoint.View) {
	t.Helper()
	data, err := ck.ReadAll(v)
	require.NoError(t, err)
	copyTo(t, path, bytes.NewReader(data))
}

func copyTo(t testing.TB, path string, r io.Reader) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	f, err := os.Create(path)
	require.NoError(t, err)
	_, err = io.Copy(f, r)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
