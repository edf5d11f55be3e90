package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSynthSaysWhatItWrote(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	out, err := runCommand(newSynthCommand(), "--layers", "1", "--experts", "4", "--vocab", "100", dir)
	require.NoError(t, err)
	info, err := os.Stat(filepath.Join(dir, "model.safetensors"))
	require.NoError(t, err)
	require.Contains(t, out, size(info.Size()))
	require.Contains(t, out, "MB/s")
}

func TestSynthRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--preset", "7b", dir}, "known are 120b, 20b, tiny"},
		{[]string{"--layout", "gguf", dir}, "--layout: unknown layout"},
		{[]string{"--shard-size", "many", dir}, "expected a size like 5GB"},
		{[]string{"--shard-size", "-1", dir}, "expected a size like 5GB"},
		{[]string{"--hidden", "100", dir}, "--hidden is 100, expected a multiple of 32"},
		{[]string{"--layers", "0", dir}, "--layers is 0, expected 1 to"},
		{[]string{"--experts", "3", "--top-k", "9", dir}, "--top-k is 9, but there are 3 experts"},
	} {
		_, err := runCommand(newSynthCommand(), c.args...)
		require.ErrorContains(t, err, c.want)
		require.Equal(t, exitUsage, exitCode(err))
		require.NoDirExists(t, dir)
	}
}
