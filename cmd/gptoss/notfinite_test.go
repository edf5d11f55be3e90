package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"expertfs"
	"expertfs/checkpoint/safetensors"

	"github.com/stretchr/testify/require"
)

// A weight that is no number shows in the logits. Every command that reads them says
// which one is not finite, and why that can be.
func TestWeightsThatAreNotFinite(t *testing.T) {
	dir := tinyTree(t)
	f, err := os.OpenFile(filepath.Join(dir, expertfs.UnembeddingPath), os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	header, err := safetensors.ReadHeader(f, info.Size())
	require.NoError(t, err)
	weights, ok := header.Tensor("unembedding.weight")
	require.True(t, ok)
	const token = 5
	_, err = f.WriteAt([]byte{0xc0, 0x7f}, weights.Offset+token*weights.Length/weights.Shape[0]) // a NaN in bfloat16
	require.NoError(t, err)

	const want = "weights that are not finite or too large: that of token 5 is NaN"
	for command, where := range map[string]string{
		"score":                "position 0: ",
		"score --from 2":       "position 1: ",
		"score --dense bf16":   "position 0: ",
		"score --margins 0":    "position 0: ",
		"run -n 1":             "",
		"run -n 1 --temp 0":    "",
		"score --act f32 -b 1": "position 0: ",
	} {
		out, _, err := runCommand(t, "1 2 3", append(strings.Fields(command), "--model", dir, "--ids", "-")...)
		require.ErrorContains(t, err, where, command)
		require.ErrorContains(t, err, want, command)
		require.NotContains(t, err.Error(), "json", command)
		require.NotContains(t, out, "{", command)
	}
}
