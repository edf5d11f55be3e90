package diskcache

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"io/fs"
	"math"
	mrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"expertfs/checkpoint/source"
	"expertfs/checkpoint/source/remote"
	"expertfs/checkpoint/source/s3"
	"expertfs/checkpoint/source/storetest"
	"expertfs/checkpoint/view"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// content is what the tests' place holds.
func content() map[string][]byte {
	big, small := make([]byte, 3<<20+1234), make([]byte, 999)
	_, _ = rand.Read(big) // never fails
	_, _ = rand.Read(small)
	return map[string][]byte{"b/model.safetensors": big, "b/config.json": small, "b/original/empty": nil}
}

// upstream is the place itself.
func upstream(t testing.TB) *remote.Folder {
	t.Helper()
	f, err := s3.New("//"+storetest.Bucket+"/b", false, nil)
	require.NoError(t, err)
	f.SetRetrying(storetest.Quick)
	return f
}

// open opens a cache in dir, which the test closes.
func open(t testing.TB, dir string, limit int64) (*Cache, []string) {
	t.Helper()
	c, warnings, err := Open(upstream(t), Options{Dir: dir, Limit: limit})
	require.NoError(t, err)
	return c, warnings
}

// file opens a file for reading much of it.
func openBulk(t testing.TB, c *Cache, name string) source.Source {
	t.Helper()
	s, err := c.Open(name)
	require.NoError(t, err)
	b, err := s.Bulk()
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() })
	return b
}

// settled waits until the keeper has done its work.
func settled(t testing.TB, c *Cache, what func() bool) {
	t.Helper()
	c.keeper.kick()
	require.Eventually(t, what, 20*time.Second, 5*time.Millisecond)
}

// readRange reads one range, by way of aligned reads as the NVMe tier makes them.
func readRange(t testing.TB, s source.Source, off, n int64) ([]byte, error) {
	t.Helper()
	align, _ := s.Align()
	if !source.Near(s, off, n) || align == 1 {
		p := make([]byte, n)
		_, err := s.ReadAt(t.Context(), p, off)
		return p, err
	}
	from, to := off/align*align, (off+n+align-1)/align*align
	buf, err := unix.Mmap(-1, 0, int(to-from), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	require.NoError(t, err)
	defer func() { require.NoError(t, unix.Munmap(buf)) }()
	if _, err := s.ReadAt(t.Context(), buf, from); err != nil {
		return nil, err
	}
	return bytes.Clone(buf[off-from:][:n]), nil
}

func TestWhatWasReadIsReadHereNextTime(t *testing.T) {
	files, dir := content(), t.TempDir()
	store, big := storetest.S3(t, files), files["b/model.safetensors"]
	c, warnings := open(t, dir, 0)
	require.Empty(t, warnings)
	s := openBulk(t, c, "model.safetensors")
	require.False(t, source.Near(s, 5000, 100_000))
	got, err := readRange(t, s, 5000, 100_000)
	require.NoError(t, err)
	require.Equal(t, big[5000:][:100_000], got)
	require.True(t, source.Near(s, 5000, 100_000))
	before := store.Requests.Load()
	got, err = readRange(t, s, 5000, 100_000)
	require.NoError(t, err)
	require.Equal(t, big[5000:][:100_000], got)
	require.Equal(t, before, store.Requests.Load())
	require.NoError(t, c.Close())

	// Without the place, and all at once what was read of it.
	store.Close()
	c, warnings = open(t, dir, 0)
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0], "offline")
	s = openBulk(t, c, "model.safetensors")
	got, err = readRange(t, s, 5000, 100_000)
	require.NoError(t, err)
	require.Equal(t, big[5000:][:100_000], got)
	_, err = readRange(t, s, 1<<20, 100)
	require.ErrorContains(t, err, "refused")
	_, err = os.Stat(filepath.Join(c.Dir(), "model.safetensors"))
	require.ErrorIs(t, err, fs.ErrNotExist, "a part is not taken for the whole")
	require.NoError(t, c.Close())
}

func TestAFullCacheIsAPlainFolderAndAsksForNothing(t *testing.T) {
	files, dir := content(), t.TempDir()
	store := storetest.S3(t, files)
	c, _ := open(t, dir, 0)
	_ = openBulk(t, c, "model.safetensors")
	config, err := c.Open("config.json")
	require.NoError(t, err)
	c.Own(t.Context(), nil, []source.Source{config})
	require.EqualValues(t, len(files["b/model.safetensors"])+999, Bytes(c.All()))
	var done int64
	var mu sync.Mutex
	require.NoError(t, c.Fill(t.Context(), c.All(), func(n int64) { mu.Lock(); done += n; mu.Unlock() }))
	require.Equal(t, Bytes(c.All()), done)
	settled(t, c, c.complete.Load)
	for _, name := range []string{"model.safetensors", "config.json"} {
		got, err := os.ReadFile(filepath.Join(c.Dir(), name))
		require.NoError(t, err)
		require.Equal(t, files["b/"+name], got)
	}
	require.NoError(t, c.Close())

	store.Close()
	first, warnings := open(t, dir, 0)
	require.Empty(t, warnings)
	second, warnings := open(t, dir, 0) // shares it
	require.Empty(t, warnings)
	for _, c := range []*Cache{first, second} {
		got, err := io.ReadAll(source.Section(openBulk(t, c, "config.json")))
		require.NoError(t, err)
		require.Equal(t, files["b/config.json"], got)
		got, err = readRange(t, openBulk(t, c, "model.safetensors"), 1, 3<<20)
		require.NoError(t, err)
		require.Equal(t, files["b/model.safetensors"][1:][:3<<20], got)
		require.Zero(t, c.upstream.Figures().Requests)
		require.True(t, c.Figures().Complete)
		require.NoError(t, c.Close())
	}
}

func TestAFileThatChangedAtItsPlaceIsRefused(t *testing.T) {
	files, dir := content(), t.TempDir()
	store := storetest.S3(t, files)
	c, _ := open(t, dir, 0)
	s := openBulk(t, c, "model.safetensors")
	_, err := readRange(t, s, 0, 4096)
	require.NoError(t, err)
	other := content()["b/model.safetensors"]
	store.Put(t, "b/model.safetensors", other)
	_, err = readRange(t, s, 1<<20, 4096)
	require.ErrorIs(t, err, remote.ErrChanged)
	got, err := readRange(t, s, 0, 4096)
	require.NoError(t, err, "what is here is of the old one")
	require.Equal(t, files["b/model.safetensors"][:4096], got)
	store.Put(t, "b/config.json", []byte("{}")) // of which there is nothing here
	require.NoError(t, c.Close())

	_, _, err = Open(upstream(t), Options{Dir: dir})
	require.ErrorContains(t, err, "s3://models/b/model.safetensors: has changed")
	require.ErrorContains(t, err, "remove "+c.Dir())
	store.Put(t, "b/model.safetensors", files["b/model.safetensors"])
	c, _ = open(t, dir, 0)
	got, err = io.ReadAll(source.Section(openBulk(t, c, "config.json")))
	require.NoError(t, err)
	require.Equal(t, "{}", string(got))
	require.NoError(t, c.Close())
}

func TestTheSecondMountDoesWithoutACacheThatIsBeingFilled(t *testing.T) {
	files, dir := content(), t.TempDir()
	storetest.S3(t, files)
	first, _ := open(t, dir, 0)
	second, warnings := open(t, dir, 0)
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0], "another mount fills the cache")
	got, err := readRange(t, openBulk(t, second, "model.safetensors"), 7, 9999)
	require.NoError(t, err)
	require.Equal(t, files["b/model.safetensors"][7:][:9999], got)
	require.NotEmpty(t, second.Figures().Stopped)
	require.NoError(t, second.Close())
	require.NoError(t, first.Close())
}

func TestAFullDriveCostsTheCacheAndNothingElse(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounts a small tmpfs, as root")
	}
	files, dir := content(), t.TempDir()
	require.NoError(t, unix.Mount("none", dir, "tmpfs", 0, "size=1m"))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	storetest.S3(t, files)
	c, _ := open(t, dir, 0)
	s := openBulk(t, c, "model.safetensors")
	big := files["b/model.safetensors"]
	for range 2 {
		for off := int64(0); off+300_000 < int64(len(big)); off += 300_000 {
			got, err := readRange(t, s, off, 300_000)
			require.NoError(t, err)
			require.Equal(t, big[off:][:300_000], got)
		}
	}
	require.Contains(t, c.Figures().Stopped, "is full")
	require.ErrorContains(t, c.Fill(t.Context(), []Range{{c.files["model.safetensors"], extent{0, 3 << 20}}}, nil), "is full")
	require.NoError(t, s.Close())
	require.NoError(t, c.Close())
}

// Readers read at random while experts are evicted: nobody ever sees a hole.
func TestEvictionUnderReaders(t *testing.T) {
	files, dir := content(), t.TempDir()
	storetest.S3(t, files)
	const limit, unit = 1 << 20, 100_000
	big := files["b/model.safetensors"]
	c, _ := open(t, dir, limit)
	s := openBulk(t, c, "model.safetensors")
	c.Together([]source.Source{s}, []view.Extent{{Off: 0, Len: 3 * unit}, {Off: 10 * unit, Len: 2 * unit}, {Off: 20*unit + 50, Len: 2*unit - 100}})
	c.Evictable(func() (uses []Use) {
		for off := int64(0); off+unit < int64(len(big)); off += unit {
			uses = append(uses, Use{Heat: mrand.Float64(), Ranges: []Range{{c.files["model.safetensors"], extent{off, off + unit}}}})
		}
		return uses
	})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 150 {
				off := mrand.Int64N(int64(len(big))/unit-1) * unit
				got, err := readRange(t, s, off, unit)
				if err != nil || !bytes.Equal(big[off:][:unit], got) {
					t.Errorf("range at %d: %v", off, err)
					return
				}
			}
		})
	}
	readers.Wait()
	require.LessOrEqual(t, c.used.Load(), int64(limit))
	settled(t, c, func() bool { return c.used.Load() <= limit*95/100 })
	settled(t, c, func() bool { // room is counted as free before the drive has it again
		var st unix.Stat_t
		return unix.Stat(filepath.Join(c.Dir(), "model.safetensors.part"), &st) == nil && st.Blocks*512 <= limit
	})
	require.NoError(t, c.Close())
	c, _ = open(t, dir, limit)
	check(t, c, files)
	require.NoError(t, c.Close())
}

// A file that was whole can be evicted from.
func TestEvictionFromAWholeFile(t *testing.T) {
	files, dir := content(), t.TempDir()
	storetest.S3(t, files)
	c, _ := open(t, dir, 0)
	s := openBulk(t, c, "model.safetensors")
	c.Own(t.Context(), nil, nil)
	require.NoError(t, c.Fill(t.Context(), c.All(), nil))
	settled(t, c, c.complete.Load)
	require.NoError(t, s.Close())
	require.NoError(t, c.Close())

	c, _ = open(t, dir, 2<<20)
	s = openBulk(t, c, "model.safetensors")
	c.Evictable(func() []Use {
		f := c.files["model.safetensors"]
		return []Use{{0, time.Time{}, []Range{{f, extent{10_000, 2 << 20}}}}, {math.Inf(1), time.Time{}, []Range{{f, extent{2 << 20, 3 << 20}}}}}
	})
	settled(t, c, func() bool { return c.used.Load() < 2<<20 })
	require.False(t, c.Figures().Complete)
	for off := int64(0); off < 3<<20; off += 1 << 20 {
		got, err := readRange(t, s, off, 1<<20)
		require.NoError(t, err)
		require.Equal(t, files["b/model.safetensors"][off:][:1<<20], got)
	}
	require.NoError(t, c.Close())
	c, _ = open(t, dir, 2<<20)
	check(t, c, files)
	require.NoError(t, c.Close())
}

// check compares all that a cache says is here with what it should be.
func check(t testing.TB, c *Cache, files map[string][]byte) (total int64) {
	t.Helper()
	for name, f := range c.files {
		f.mu.Lock()
		have := f.have
		f.mu.Unlock()
		for _, e := range have {
			p := make([]byte, e.len())
			n, err := (&handle{file: f}).ReadAt(context.Background(), p, e.lo)
			require.NoError(t, err)
			require.EqualValues(t, e.len(), n)
			require.True(t, bytes.Equal(files["b/"+name][e.lo:e.hi], p), "%s %v", name, e)
			total += e.len()
		}
	}
	require.Equal(t, total, c.used.Load())
	return total
}

func TestAFaultIsOfOneReadAlone(t *testing.T) {
	files, dir := content(), t.TempDir()
	store := storetest.S3(t, files)
	c, _ := open(t, dir, 0)
	s := openBulk(t, c, "model.safetensors")
	store.SetFault(func(w http.ResponseWriter, r *http.Request, serve http.Handler) {
		if r.Header.Get("Range") == "bytes=1048576-1052671" {
			storetest.Short(w, r, serve)
		}
		serve.ServeHTTP(w, r)
	})
	_, err := readRange(t, s, 1<<20, 4096)
	require.NoError(t, err, "the rest of a short body is asked for")
	store.SetFault(storetest.Reset)
	_, err = readRange(t, s, 2<<20, 4096)
	require.Error(t, err)
	store.SetFault(nil)
	got, err := readRange(t, s, 2<<20, 4096)
	require.NoError(t, err, "the next one tries again")
	require.Equal(t, files["b/model.safetensors"][2<<20:][:4096], got)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.ReadAt(ctx, make([]byte, 10), 3<<20)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, c.Close())
}
