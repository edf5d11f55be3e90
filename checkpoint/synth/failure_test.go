package synth

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"expertfs/checkpoint/config"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestRefusesFolderInUse(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600))
	require.ErrorContains(t, Write(context.Background(), dir, small(t)), "is not empty")
	require.FileExists(t, filepath.Join(dir, "mine"))
}

func TestEmptyFolderIsFilled(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, Write(context.Background(), dir, small(t)))
	require.FileExists(t, filepath.Join(dir, "config.json"))
}

func TestBadPlaces(t *testing.T) {
	dir := t.TempDir()
	require.ErrorIs(t, Write(context.Background(), filepath.Join(dir, "no", "parent"), small(t)), fs.ErrNotExist)
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.ErrorIs(t, Write(context.Background(), file, small(t)), unix.ENOTDIR)
}

func TestImpossibleModelLeavesNothing(t *testing.T) {
	o := small(t)
	o.Config.Hidden = 33
	dir := filepath.Join(t.TempDir(), "model")
	require.ErrorContains(t, Write(context.Background(), dir, o), "hidden_size is 33")
	require.NoDirExists(t, dir)
}

func TestConfigThatTheLayoutCannotHoldLeavesNothing(t *testing.T) {
	o := small(t)
	o.Config.EOS = []int{1}
	dir := filepath.Join(t.TempDir(), "model")
	require.ErrorContains(t, Write(context.Background(), dir, o), "no keys for some")
	require.NoDirExists(t, dir)
}

func TestDiskTooSmallIsSeenFirst(t *testing.T) {
	c, err := config.Preset("120b")
	require.NoError(t, err)
	c.SetLayers(4096)
	c.Experts = 64
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // should a disk have the room, the test fails instead of filling it
	dir := filepath.Join(t.TempDir(), "model")
	err = Write(ctx, dir, Options{Config: c})
	require.ErrorContains(t, err, "needs 3.4 TiB, but the disk has")
	require.NoDirExists(t, dir)
}

// TestInterruptedLeavesNothing ends the context in the middle of a file.
func TestInterruptedLeavesNothing(t *testing.T) {
	for _, made := range []bool{true, false} {
		dir := filepath.Join(t.TempDir(), "model")
		if !made {
			require.NoError(t, os.Mkdir(dir, 0o755))
		}
		o := small(t)
		o.Config.Vocab = 200_000 // several chunks
		ctx, cancel := context.WithCancel(context.Background())
		var writes atomic.Int32
		o.Progress = func(int) {
			if writes.Add(1) == 5 {
				cancel()
			}
		}
		require.ErrorIs(t, Write(ctx, dir, o), context.Canceled)
		if made {
			require.NoDirExists(t, dir)
			continue
		}
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, entries)
	}
}

// TestDiskFullLeavesNothing fills a small filesystem behind the back of the
// check for free space.
func TestDiskFullLeavesNothing(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=20m"); err != nil {
		t.Skipf("cannot mount a small filesystem: %v", err)
	}
	defer func() { require.NoError(t, unix.Unmount(disk, 0)) }()
	o := small(t)
	o.ShardBytes = 50_000
	filled := filepath.Join(disk, "filled")
	var once atomic.Bool
	o.Progress = func(int) {
		if once.CompareAndSwap(false, true) {
			hog, err := os.Create(filled)
			require.NoError(t, err)
			defer hog.Close()
			for {
				if _, err := hog.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}
	}
	dir := filepath.Join(disk, "model")
	require.ErrorIs(t, Write(context.Background(), dir, o), unix.ENOSPC)
	require.NoDirExists(t, dir)
}
