package diskcache

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"expertfs/checkpoint/source"
	"expertfs/checkpoint/source/storetest"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const model = "model.safetensors"

// filled fills a cache of content and closes it: with all of the model if whole, else with
// its first 2 MiB.
func filled(t *testing.T, dir string, whole bool) (files map[string][]byte, folder string) {
	t.Helper()
	files = content()
	storetest.S3(t, files)
	c, _ := open(t, dir, 0)
	s := openBulk(t, c, model)
	if whole {
		c.Own(t.Context(), nil, nil)
		require.NoError(t, c.Fill(t.Context(), c.All(), nil))
		settled(t, c, c.complete.Load)
	} else {
		_, err := readRange(t, s, 0, 2<<20)
		require.NoError(t, err)
	}
	require.NoError(t, c.Close())
	return files, c.Dir()
}

// What the journal says of a file that somebody has removed is not taken to be true of
// the next one of that name.
func TestAFileThatWasRemovedIsFetchedAnew(t *testing.T) {
	for name, whole := range map[string]bool{model: true, model + partSuffix: false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files, folder := filled(t, dir, whole)
			require.NoError(t, os.Remove(filepath.Join(folder, name)))
			c, _ := open(t, dir, 0)
			_, err := readRange(t, openBulk(t, c, model), 1<<20, 4096)
			require.NoError(t, err)
			require.NoError(t, c.Close())
			c, _ = open(t, dir, 0)
			require.EqualValues(t, 4096, check(t, c, files))
			require.NoError(t, c.Close())
		})
	}
}

// Files without a manifest are of no known version.
func TestWhatHasNoManifestIsNotUsed(t *testing.T) {
	for _, whole := range []bool{true, false} {
		dir := t.TempDir()
		_, folder := filled(t, dir, whole)
		require.NoError(t, os.Remove(filepath.Join(folder, controlDir, manifestName)))
		files := content() // of the same lengths
		storetest.S3(t, files)
		key := upstream(t).Store()
		require.NoError(t, os.Rename(folder, filepath.Join(dir, folderName(key))))
		for range 2 {
			c, warnings := open(t, dir, 0)
			require.Empty(t, warnings)
			require.LessOrEqual(t, check(t, c, files), int64(8192))
			_, err := readRange(t, openBulk(t, c, model), 4096, 8192)
			require.NoError(t, err)
			require.NoError(t, c.Close())
		}
	}
}

// The folder of another place, renamed, is not the cache of this one.
func TestACacheOfAnotherPlaceIsRefused(t *testing.T) {
	dir := t.TempDir()
	_, folder := filled(t, dir, true)
	storetest.S3(t, content())
	f := upstream(t)
	other := filepath.Join(dir, folderName(f.Store()))
	require.NoError(t, os.Rename(folder, other))
	_, _, err := Open(f, Options{Dir: dir})
	require.ErrorContains(t, err, "another place")
	require.ErrorContains(t, err, "remove "+other)
}

// A checkpoint can be mounted whether or not its small files can be kept.
func TestOwnWithoutACache(t *testing.T) {
	files, dir := content(), t.TempDir()
	storetest.S3(t, files)
	first, _ := open(t, dir, 0)
	second, _ := open(t, dir, 0)
	third, _ := open(t, t.TempDir(), 500)
	for _, c := range []*Cache{first, second, third} {
		config, err := c.Open("config.json")
		require.NoError(t, err)
		c.Own(t.Context(), []source.Source{openBulk(t, c, model)}, []source.Source{config})
		got := make([]byte, 999)
		_, err = config.ReadAt(context.Background(), got, 0)
		require.NoError(t, err)
		require.Equal(t, files["b/config.json"], got)
		require.Equal(t, c == first, c.files["config.json"].has(extent{0, 999}))
		require.False(t, c.Figures().Complete)
		require.NoError(t, c.Close())
	}
}

// A full cache serves from a drive that cannot be written, as a claim of several pods is.
func TestAFullCacheThatCannotBeWritten(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounts a tmpfs, as root")
	}
	dir := t.TempDir()
	require.NoError(t, unix.Mount("none", dir, "tmpfs", 0, "size=8m"))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	files, _ := filled(t, dir, true)
	require.NoError(t, unix.Mount("none", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	c, warnings := open(t, dir, 0)
	require.Empty(t, warnings)
	require.EqualValues(t, len(files["b/"+model]), check(t, c, files))
	require.Zero(t, c.upstream.Figures().Requests)
	require.NoError(t, c.Close())
}

// A cache of a part, on a drive that is full, serves that part and the rest from the place.
func TestAPartOfACacheOnAFullDrive(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounts a tmpfs, as root")
	}
	dir := t.TempDir()
	require.NoError(t, unix.Mount("none", dir, "tmpfs", 0, "size=4m"))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	files, folder := filled(t, dir, false)
	require.ErrorIs(t, os.WriteFile(filepath.Join(dir, "other"), make([]byte, 4<<20), 0o600), unix.ENOSPC)
	for range 2 {
		c, warnings := open(t, dir, 0)
		require.Len(t, warnings, 1)
		require.Contains(t, warnings[0], "the cache "+folder+" cannot be written")
		require.Contains(t, warnings[0], unix.ENOSPC.Error())
		require.Contains(t, c.Figures().Stopped, "cannot be written")
		require.EqualValues(t, 2<<20, check(t, c, files))
		got, err := readRange(t, openBulk(t, c, model), 2<<20, 4096)
		require.NoError(t, err)
		require.Equal(t, files["b/"+model][2<<20:][:4096], got)
		require.NoError(t, c.Close())
		require.NoFileExists(t, filepath.Join(folder, controlDir, manifestName+".new"))
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "other")))
	c, warnings := open(t, dir, 0)
	require.Empty(t, warnings)
	require.EqualValues(t, 2<<20, check(t, c, files))
	require.NoError(t, c.Close())
}

// What the drive has lost is read from the place, also in the middle of a read that
// fetches something.
func TestWhatTheDriveLosesIsFetched(t *testing.T) {
	files, dir := content(), t.TempDir()
	storetest.S3(t, files)
	c, _ := open(t, dir, 0)
	s := openBulk(t, c, model)
	_, err := readRange(t, s, 4096, 4096)
	require.NoError(t, err)
	settled(t, c, func() bool {
		f := c.files[model]
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.fresh) == 0
	})
	require.NoError(t, os.Truncate(filepath.Join(c.Dir(), model+partSuffix), 4096))
	got, err := readRange(t, s, 4096, 8192)
	require.NoError(t, err)
	require.Equal(t, files["b/"+model][4096:][:8192], got)
	require.NoError(t, s.Close())
	require.NoError(t, c.Close())
}
