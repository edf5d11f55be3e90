package main

import (
	"testing"

	"expertfs/checkpoint/checkpointtest"

	"github.com/stretchr/testify/require"
)

// tinyTree writes the files of the small model that the project carries, as a
// mount would show them, and returns their folder.
func tinyTree(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, checkpointtest.WriteTree(dir, "embed:tiny"))
	return dir
}
