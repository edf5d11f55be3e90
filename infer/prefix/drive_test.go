package prefix

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// smallDrive is a folder of a filesystem of its own.
func smallDrive(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skip("cannot mount a small tmpfs, as root can: ", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

// TestReadOnlyFolder: what is there is of use, what is new is kept in RAM, and a file
// that is of no use and cannot go is spoken of once.
func TestReadOnlyFolder(t *testing.T) {
	drive := smallDrive(t, "1m")
	good, torn, fresh := count(0, 60), count(1000, 60), count(2000, 60)
	s := openStore(t, drive, nil)
	keep(s, good, 60)
	require.NoError(t, s.Close(context.Background()))
	victim := files(t, drive)[0]
	whole, err := os.ReadFile(victim)
	require.NoError(t, err)
	s = openStore(t, drive, nil)
	keep(s, torn, 60)
	require.NoError(t, s.Close(context.Background()))
	for _, f := range files(t, drive) {
		if f != victim {
			require.NoError(t, os.WriteFile(f, whole[:len(whole)/2], 0o600))
		}
	}
	require.NoError(t, unix.Mount("", drive, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))

	var log strings.Builder
	s = openStore(t, drive, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	requireText(t, s, good, 60)
	for range 3 {
		require.Zero(t, s.Known(torn, 60))
	}
	keep(s, fresh, 30, 60)
	requireText(t, s, fresh, 60)
	require.NoError(t, s.Close(context.Background()))
	require.Equal(t, 1, strings.Count(log.String(), "cannot be read"), log.String())
	require.Equal(t, 1, strings.Count(log.String(), "not all stored"), log.String())
	require.Contains(t, log.String(), "read-only file system")

	_, err = Open(Options{Shape: testShape, Key: id{2}, Dir: drive})
	require.ErrorIs(t, err, unix.EROFS)
}

// TestDriveThatFillsUp: texts that the drive has no room for are kept in RAM; those
// stored before are whole, and nothing is left of a file that was not written to its
// end. When there is room again all is stored.
func TestDriveThatFillsUp(t *testing.T) {
	drive := smallDrive(t, "64k")
	var log strings.Builder
	s := openStore(t, drive, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	ids := count(0, 1000)
	ends := []int{100, 200, 300, 400, 500, 600, 700, 800, 900, 1000}
	keep(s, ids, ends...)
	require.NoError(t, s.Close(context.Background()))
	require.Positive(t, s.Stats().Dropped)
	require.Equal(t, 1, strings.Count(log.String(), "no space left on device"), log.String())
	requireText(t, s, ids, 1000)
	left, err := filepath.Glob(filepath.Join(s.dir, temporary+"*"))
	require.NoError(t, err)
	require.Empty(t, left)

	s = openStore(t, drive, nil)
	n, _ := s.load(context.Background(), ids, 1000)
	require.Positive(t, n)
	require.Less(t, n, 1000)
	requireText(t, s, ids, n)
	require.Zero(t, s.Stats().Torn)
	require.NoError(t, unix.Mount("", drive, "", unix.MS_REMOUNT, "size=1m"))
	keep(s, ids, ends...)
	require.NoError(t, s.Close(context.Background()))
	requireText(t, openStore(t, drive, nil), ids, 1000)
}
