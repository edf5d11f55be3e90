package mirror

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"expertfs/checkpoint/source"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestWhatIsNoCopyIsNamed(t *testing.T) {
	data := random(1_500_000, 1)
	changed := func(at int) []byte {
		other := append([]byte(nil), data...)
		other[at]++
		return other
	}
	for name, c := range map[string]struct {
		make func(t *testing.T, own, path string)
		says string
	}{
		"shorter":   {func(t *testing.T, _, path string) { require.NoError(t, os.WriteFile(path, data[:1000], 0o600)) }, "has 1000 bytes, and the checkpoint's own 1500000"},
		"header":    {func(t *testing.T, _, path string) { require.NoError(t, os.WriteFile(path, changed(100), 0o600)) }, "has other bytes"},
		"last byte": {func(t *testing.T, _, path string) { require.NoError(t, os.WriteFile(path, changed(1_499_999), 0o600)) }, "has other bytes"},
		"own":       {func(t *testing.T, own, path string) { require.NoError(t, os.Symlink(own, path)) }, "own file"},
		"hole": {func(t *testing.T, _, path string) {
			require.NoError(t, os.WriteFile(path, data, 0o600))
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			require.NoError(t, err)
			defer f.Close()
			if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 500_000, 100_000); err != nil {
				t.Skip("no holes here: ", err)
			}
		}, "has a hole of"},
		"folder": {func(t *testing.T, _, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, "expected a regular file"},
		"absent": {func(*testing.T, string, string) {}, "has none of the checkpoint's files"},
	} {
		t.Run(name, func(t *testing.T) {
			own, dir := newDrive(t, data), t.TempDir()
			path := filepath.Join(dir, "model.safetensors")
			c.make(t, own.path(), path)
			set := New(nil, own.dir, dir)
			s, err := set.Folder(own, source.Dir(dir)).Open("model.safetensors")
			require.NoError(t, err)
			defer s.Close()
			problems := set.Verify(context.Background(), []source.Source{s}, nil)
			require.NotEmpty(t, problems)
			require.ErrorContains(t, problems[0], c.says)
			require.ErrorContains(t, problems[0], dir)
			b, err := s.Bulk()
			require.NoError(t, err)
			defer b.Close()
			requireSame(t, b, data)
			require.Zero(t, set.Stats()[1].Bytes, "nothing is read from it")
		})
	}
}

// A hole is good where the checkpoint has zeros.
func TestAHoleOfZerosIsACopy(t *testing.T) {
	data := random(1_500_000, 1)
	clear(data[500_000:700_000])
	own, other := newDrive(t, data), newDrive(t, data)
	f, err := os.OpenFile(other.path(), os.O_WRONLY, 0)
	require.NoError(t, err)
	err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 500_000, 200_000)
	require.NoError(t, f.Close())
	if err != nil {
		t.Skip("no holes here: ", err)
	}
	_, s := openAll(t, own, other)
	require.Equal(t, 2, source.Copies(s))
	requireSame(t, s, data)
}

func TestSmallFilesAreComparedWhole(t *testing.T) {
	data := random(3_000_000, 1)
	other := append([]byte(nil), data...)
	other[1_000_000]++ // between the pages of the sample
	a, b := newDrive(t, data), newDrive(t, other)
	set := New(nil, a.dir, b.dir)
	s, err := set.Folder(a, b).Open(name)
	require.NoError(t, err)
	defer s.Close()
	all := []source.Source{s}
	require.Empty(t, set.Verify(context.Background(), all, nil), "it cannot be seen without reading")
	problems := set.Verify(context.Background(), all, all)
	require.Len(t, problems, 1)
	require.ErrorContains(t, problems[0], "differs from the checkpoint's own at byte 1000000")

	var compared int
	problems = set.Compare(context.Background(), all, func(n int) { compared += n })
	var d *Difference
	require.ErrorAs(t, problems[0], &d)
	require.Equal(t, Difference{s, b.path(), 1_000_000}, *d)
	require.Equal(t, int64(3_000_000), set.CompareBytes(all))
	require.NoError(t, os.WriteFile(b.path(), data, 0o600))
	require.Empty(t, set.Compare(context.Background(), all, func(n int) { compared += n }))
	require.Equal(t, 3_000_000, compared)
}

// Files that are opened for the time of a read, as those of a tree are.
func TestAPoolOfFilesWithCopies(t *testing.T) {
	drives := []*testDrive{newDrive(t, nil), newDrive(t, nil)}
	names := []string{"a", "b", "c", "d"}
	for i, n := range names {
		for _, d := range drives {
			require.NoError(t, os.WriteFile(filepath.Join(d.dir, n), random(300_000, uint64(i)), 0o600))
		}
	}
	set := New(nil, drives[0].dir, drives[1].dir)
	c := &clock{}
	set.now = c.now
	pool := source.NewPool(set.Folder(drives[0], drives[1]), 2)
	var files []source.Source
	for _, n := range names {
		s, err := pool.Source(n, func(source.Source) error { return nil })
		require.NoError(t, err)
		b, err := s.Bulk()
		require.NoError(t, err)
		files = append(files, b)
		require.Equal(t, 2, source.Copies(b))
		require.True(t, set.Has(1, b))
	}
	read := func() {
		for i, f := range files {
			requireAllSame(t, f, random(300_000, uint64(i)))
		}
		for _, d := range drives {
			require.LessOrEqual(t, openBelow(t, d.dir), 2)
		}
	}
	read()
	require.NoError(t, os.Rename(drives[0].dir, drives[0].dir+".gone"))
	read()
	c.pass(time.Hour)
	read()
	require.NoError(t, os.Rename(drives[0].dir+".gone", drives[0].dir))
	c.pass(time.Hour)
	before := drives[0].reads.Load()
	read()
	require.Greater(t, drives[0].reads.Load(), before)
	for _, f := range files {
		require.NoError(t, f.Close())
	}
	for _, d := range drives {
		require.Zero(t, openBelow(t, d.dir))
	}
}
