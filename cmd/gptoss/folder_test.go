package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"expertfs"

	"github.com/stretchr/testify/require"
)

func TestCheckFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	empty := filepath.Join(dir, "empty")
	ids := filepath.Join(dir, "ids")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.WriteFile(ids, []byte("1 2"), 0o600))
	require.NoError(t, os.Mkdir(empty, 0o700))
	shelf := filepath.Join(dir, "a shelf") // of one file
	require.NoError(t, os.Mkdir(shelf, 0o700))
	gguf := filepath.Join(shelf, "model.gguf")
	require.NoError(t, os.WriteFile(gguf, nil, 0o600))
	for path, want := range map[string]string{
		"":                       "no model given",
		gguf:                     "is a GGUF file; mount it first: expertfs mount '" + gguf + "' MOUNTPOINT",
		shelf:                    "is a checkpoint; mount it first: expertfs mount '" + shelf + "' MOUNTPOINT",
		"ollama:gpt-oss:20b":     "ollama:gpt-oss:20b names a checkpoint; mount it first",
		"s3://bucket/prefix":     "s3://bucket/prefix names a checkpoint; mount it first",
		"embed:tiny":             "embed:tiny names a checkpoint; mount it first: expertfs mount embed:tiny MOUNTPOINT",
		"../../checkpoint/tiny":  "is a checkpoint; mount it first: expertfs mount ../../checkpoint/tiny MOUNTPOINT",
		empty:                    empty + " is empty: is it mounted?",
		file:                     file + " is not a folder",
		filepath.Join(dir, "no"): "no such file or directory: a model is the mount point of an expertfs mount",
		dir:                      "is not a model folder",
	} {
		for _, args := range [][]string{{"run", "-p", "a"}, {"run", "--ids", ids}, {"chat"}} {
			_, _, err := runCommand(t, "hello", append(args, "--model", path)...)
			require.ErrorContains(t, err, want, args)
		}
	}
}

// TestModelWithAStrayGGUF: a copy of a tree is a model, whatever else is in it.
func TestModelWithAStrayGGUF(t *testing.T) {
	dir := tinyTree(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other.gguf"), nil, 0o600))
	_, _, err := runCommand(t, "", "run", "--model", dir, "-p", "a", "-n", "1")
	require.NoError(t, err)
}

func TestExplainDeadMount(t *testing.T) {
	err := explainFolder("/mnt/m", &fs.PathError{Op: "open", Path: "/mnt/m", Err: syscall.ENOTCONN})
	require.ErrorContains(t, err, "/mnt/m is a dead mount, its server is gone: expertfs umount /mnt/m")
	require.ErrorIs(t, err, syscall.ENOTCONN)
}

// TestNoMountCanBeUsed: why not is told of each.
func TestNoMountCanBeUsed(t *testing.T) {
	before := findMounts
	defer func() { findMounts = before }()
	findMounts = func() ([]string, []error, error) {
		return nil, []error{&expertfs.DeadMountError{Point: "/mnt/a"}, errors.New("/mnt/b: mounted by another user")}, nil
	}
	_, err := onlyMount()
	require.ErrorContains(t, err, "no model given, and no mount can be used:\n  /mnt/a is a dead mount")
	require.ErrorContains(t, err, "\n  /mnt/b: mounted by another user")
	require.Equal(t, exitUsage, exitCode(err))
}

// A folder without a tokenizer.json gets the published vocabulary, which may
// be too large for the model.
func TestVocabularyOfAnotherModel(t *testing.T) {
	dir := tinyTree(t)
	require.NoError(t, os.Remove(filepath.Join(dir, "tokenizer.json")))
	for _, args := range [][]string{{"run", "-p", "a"}, {"chat"}, {"tokenize", "a"}, {"tokenize", "-d", "5"}} {
		_, _, err := runCommand(t, "a", append(args, "--model", dir)...)
		require.ErrorContains(t, err, "the vocabulary o200k_harmony has 201088 tokens and the model only 2048: it needs a tokenizer.json of its own", fmt.Sprint(args))
	}
}
