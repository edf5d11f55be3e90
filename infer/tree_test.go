package infer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"expertfs/checkpoint/checkpointtest"
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
	dir := t.TempDir()
	require.NoError(t, checkpointtest.WriteTree(dir, path))
	return dir
}
