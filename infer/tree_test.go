package infer

import (
	"testing"

	"github.com/stretchr/testify/require"

	"expertfs/checkpoint/checkpointtest"
)

// makeTree writes the files that a mount of the checkpoint would show, and
// returns their folder.
func makeTree(t testing.TB, path string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, checkpointtest.WriteTree(dir, path))
	return dir
}
