package infer

import (
	"testing"

	"expertfs/checkpoint/checkpointtest"

	"github.com/stretchr/testify/require"
)

// makeTree writes the files that a mount of the checkpoint would show, and
// returns their folder.
func makeTree(t testing.TB, path string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, checkpointtest.WriteTree(dir, path))
	return dir
}
