package fsys_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"expertfs/checkpoint/config"
	"expertfs/checkpoint/synth"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openHandle opens a file handle on the mount of a folder.
func openHandle(t *testing.T, point string, h unix.FileHandle) (*os.File, error) {
	t.Helper()
	dir, err := unix.Open(point, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer func() { require.NoError(t, unix.Close(dir)) }()
	fd, err := unix.OpenByHandleAt(dir, h, unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), point), nil
}

// TestHandlesAreGoodInEveryMount opens file handles of one mount in another, whose
// kernel has never looked the files up: as it is with one that has dropped its caches.
func TestHandlesAreGoodInEveryMount(t *testing.T) {
	needRoot(t) // open_by_handle_at wants CAP_DAC_READ_SEARCH
	first, second := mount(t, serverConfig{}), mount(t, serverConfig{})
	tiny, err := config.Preset("tiny")
	require.NoError(t, err)
	twin := filepath.Join(t.TempDir(), "model") // of the same shape
	require.NoError(t, synth.Write(context.Background(), twin, synth.Options{Config: tiny, Seed: 2}))
	other := mount(t, serverConfig{Checkpoint: twin})
	for _, name := range []string{
		"layers/01/experts/07.safetensors", "layers/02/dense.safetensors", "dense/unembedding.safetensors", "config.json",
		".expertfs/policy", "layers/01/experts", "layers", ".expertfs/rounded", ".",
	} {
		h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, first.path(name), 0)
		require.NoError(t, err, name)
		f, err := openHandle(t, second.point, h)
		require.NoError(t, err, name)
		var direct, looked unix.Stat_t
		require.NoError(t, unix.Fstat(int(f.Fd()), &direct))
		require.NoError(t, unix.Stat(second.path(name), &looked))
		require.Equal(t, looked.Ino, direct.Ino, name)
		switch {
		case name == "layers/01/experts/07.safetensors":
			want, err := os.ReadFile(first.path(name))
			require.NoError(t, err)
			got, err := io.ReadAll(f)
			require.NoError(t, err)
			require.Equal(t, want, got)
		case looked.Mode&unix.S_IFMT == unix.S_IFDIR:
			names, err := f.Readdirnames(-1)
			require.NoError(t, err)
			require.NotEmpty(t, names)
		}
		require.NoError(t, f.Close())

		if name == "." {
			continue // every mount has one, and it has the number 1
		}
		f, err = openHandle(t, other.point, h)
		if err == nil {
			require.NoError(t, f.Close())
		}
		require.True(t, errors.Is(err, unix.ESTALE), "%s: %v", name, err)
	}
}
