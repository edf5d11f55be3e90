package fsys_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"expertfs"
	"expertfs/checkpoint/checkpointtest"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// TestRoundedFiles reads dense files with rounded matrices in every way.
func TestRoundedFiles(t *testing.T) {
	m := openModel(t, "embed:tiny")
	files, err := checkpointtest.Rounded(m.ck)
	require.NoError(t, err)
	everyMechanism(t, func(t *testing.T, s *server) {
		listed, err := os.ReadDir(s.path(expertfs.ControlPath(expertfs.RoundedDir)))
		require.NoError(t, err)
		require.Len(t, listed, len(files))
		for path, want := range files {
			for _, way := range ways {
				got, err := way.read(s.path(path))
				require.NoError(t, err, "%s of %s", way.name, path)
				require.True(t, bytes.Equal(want, got), "%s of %s", way.name, path)
			}
			st, err := os.Stat(s.path(path))
			require.NoError(t, err)
			require.EqualValues(t, len(want), st.Size(), path)
			require.EqualValues(t, 0o444, st.Mode())
		}
		c := s.report().Cache
		require.Equal(t, len(files), c.RoundedFiles)
		require.Equal(t, len(files), c.DenseFiles)
		require.Equal(t, c.DenseBytes, c.RoundedBytes)
		require.EqualValues(t, len(files), c.Loads, "each is made once")
		_, err = os.Stat(s.path(filepath.Join(expertfs.ControlDir, expertfs.RoundedDir, expertfs.Embedding)))
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}

// TestRoundedFilesBeyondTheirBound are refused: who maps one would have each page
// made anew.
func TestRoundedFilesBeyondTheirBound(t *testing.T) {
	m := openModel(t, "embed:tiny")
	files, err := checkpointtest.Rounded(m.ck)
	require.NoError(t, err)
	s := mount(t, serverConfig{DenseBytes: slotBytes(m.ck.DenseRounded(0).Size())})
	names := expertfs.Names{Layers: m.ck.Config().Layers, Experts: m.ck.Config().Experts}
	first, err := os.Open(s.path(names.RoundedPath(0)))
	require.NoError(t, err)
	_, err = os.Open(s.path(names.RoundedPath(1)))
	require.ErrorIs(t, err, unix.ENOMEM)
	require.Positive(t, s.report().Cache.Crowded)
	require.NoError(t, first.Close())
	require.Eventually(t, func() bool {
		got, err := os.ReadFile(s.path(names.RoundedPath(1)))
		return err == nil && bytes.Equal(files[names.RoundedPath(1)], got)
	}, patience, time.Millisecond)
}

// TestRoundedFilesByTheSocket are the very memory, in which nobody can write, however
// the mount answers reads and whatever its slots are made of.
func TestRoundedFilesByTheSocket(t *testing.T) {
	m := openModel(t, "embed:tiny")
	files, err := checkpointtest.Rounded(m.ck)
	require.NoError(t, err)
	everyMemory(t, serverConfig{}, func(t *testing.T, c serverConfig) {
		s := mount(t, c)
		names := m.names()
		var readers errgroup.Group
		for range 3 {
			readers.Go(func() error {
				for layer := range names.Layers + 1 {
					f, err := expertfs.OpenRoundedFile(s.point, names, layer)
					if err != nil {
						return err
					}
					defer f.Close()
					mem, err := mapOpen(f)
					if err != nil {
						return err
					}
					defer unix.Munmap(mem)
					if !bytes.Equal(files[expertfs.ControlPath(expertfs.RoundedDir+"/"+names.Rounded(layer))], mem) {
						return errors.New("wrong bytes of " + f.Name())
					}
				}
				return nil
			})
		}
		require.NoError(t, readers.Wait())
		after := s.report()
		require.Equal(t, len(files), after.Cache.RoundedFiles)
		require.EqualValues(t, len(files), after.Cache.Loads, "each is made once for all")
		require.Zero(t, after.Requests.Descriptors, "which counts experts")

		f, err := expertfs.OpenRoundedFile(s.point, names, 0)
		require.NoError(t, err)
		defer f.Close()
		cannotBeWritten(t, f, c.Memfd)
	})
}

// TestRoundedFilesStayWhileMapped though nobody has pinned them: what the socket has
// handed out keeps its room until the last mapping is gone, and its bytes.
func TestRoundedFilesStayWhileMapped(t *testing.T) {
	m := openModel(t, "embed:tiny")
	files, err := checkpointtest.Rounded(m.ck)
	require.NoError(t, err)
	everyMemory(t, serverConfig{DenseBytes: slotBytes(m.ck.DenseRounded(0).Size())}, func(t *testing.T, c serverConfig) {
		s := mount(t, c)
		first, err := expertfs.OpenRoundedFile(s.point, m.names(), 0)
		require.NoError(t, err)
		mem, err := mapOpen(first)
		require.NoError(t, err)
		require.NoError(t, first.Close())
		_, err = expertfs.OpenRoundedFile(s.point, m.names(), 1)
		require.ErrorIs(t, err, expertfs.ErrNoRounded)
		require.ErrorIs(t, err, unix.ENOMEM)
		require.True(t, bytes.Equal(files[m.names().RoundedPath(0)], mem))
		require.NoError(t, unix.Munmap(mem))
		require.Eventually(t, func() bool {
			f, err := expertfs.OpenRoundedFile(s.point, m.names(), 1)
			return err == nil && f.Close() == nil
		}, patience, time.Millisecond)
	})
}
