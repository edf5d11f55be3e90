package mirror

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"expertfs/checkpoint/source"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const name = "model.safetensors"

// random returns n bytes that depend on seed.
func random(n int, seed uint64) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(data) // never fails
	return data
}

// testDrive is a drive of a test, which fails as the test says.
type testDrive struct {
	source.Folder
	dir   string
	reads atomic.Int64 // past the page cache

	mu   sync.Mutex
	read func(p []byte, off int64, read func() (int, error)) (int, error)
	gone error // of opens and checks
}

// newDrive makes a drive with a file.
func newDrive(t *testing.T, data []byte) *testDrive {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	return &testDrive{Folder: source.Dir(dir), dir: dir}
}

func (f *testDrive) path() string { return filepath.Join(f.dir, name) }

// set changes what reads do: nil for what they did at first.
func (f *testDrive) set(read func(p []byte, off int64, read func() (int, error)) (int, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.read = read
}

// failing makes reads end with err.
func failing(err error) func([]byte, int64, func() (int, error)) (int, error) {
	return func([]byte, int64, func() (int, error)) (int, error) { return 0, err }
}

// slow makes reads take turns, at so many bytes a second.
func slow(speed float64) func([]byte, int64, func() (int, error)) (int, error) {
	var drive sync.Mutex
	return func(p []byte, _ int64, read func() (int, error)) (int, error) {
		drive.Lock()
		defer drive.Unlock()
		time.Sleep(time.Duration(float64(len(p)) / speed * float64(time.Second)))
		return read()
	}
}

// pull takes the drive away, or puts it back.
func (f *testDrive) pull(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = err
}

func (f *testDrive) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gone
}

func (f *testDrive) Open(name string) (source.Source, error) {
	if err := f.err(); err != nil {
		return nil, err
	}
	s, err := f.Folder.Open(name)
	if err != nil {
		return nil, err
	}
	return faulty{s, f, false}, nil
}

type faulty struct {
	source.Source
	f    *testDrive
	bulk bool
}

func (s faulty) Path() string { return source.Path(s.Source) }

func (s faulty) Bulk() (source.Source, error) {
	b, err := s.Source.Bulk()
	if err != nil {
		return nil, err
	}
	return faulty{b, s.f, true}, nil
}

func (s faulty) Check(ctx context.Context) error {
	return errors.Join(s.f.err(), s.Source.Check(ctx))
}

func (s faulty) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if !s.bulk {
		return s.Source.ReadAt(ctx, p, off)
	}
	s.f.reads.Add(1)
	s.f.mu.Lock()
	read := s.f.read
	s.f.mu.Unlock()
	if read == nil {
		return s.Source.ReadAt(ctx, p, off)
	}
	return read(p, off, func() (int, error) { return s.Source.ReadAt(ctx, p, off) })
}

// clock is the time, which a test moves on.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) pass(d time.Duration) { c.ahead.Add(int64(d)) }

// openAll opens the file of drives for reads in bulk.
func openAll(t *testing.T, drives ...*testDrive) (*Set, source.Source) {
	t.Helper()
	var names []string
	var folders []source.Folder
	for _, d := range drives {
		names, folders = append(names, d.dir), append(folders, d)
	}
	set := New(nil, names...)
	s, err := set.Folder(folders...).Open(name)
	require.NoError(t, err)
	b, err := s.Bulk()
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, b.Close())
		require.NoError(t, s.Close())
	})
	require.Empty(t, set.Verify(context.Background(), []source.Source{s}, nil))
	return set, b
}

// readRange reads a range with the alignment that the source asks for.
func readRange(s source.Source, off, n int64) ([]byte, error) {
	align, _ := s.Align()
	from, to := off/align*align, (off+n+align-1)/align*align
	p := onPage(int(to - from))
	got, err := s.ReadAt(context.Background(), p, from)
	if err != nil {
		return nil, err
	}
	if int64(got) < off-from+n {
		return nil, errors.New("short")
	}
	return p[off-from:][:n], nil
}

// requireSame reads pieces of a file at random, and compares.
func requireSame(t *testing.T, s source.Source, data []byte) {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, 7))
	for range 10 {
		off := rng.Int64N(int64(len(data)))
		n := 1 + rng.Int64N(min(200_000, int64(len(data))-off))
		got, err := readRange(s, off, n)
		assert.NoError(t, err)
		assert.True(t, bytes.Equal(data[off:off+n], got))
	}
}

// requireAllSame does that several times at once, so that both drives are read.
func requireAllSame(t *testing.T, s source.Source, data []byte) {
	t.Helper()
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() { requireSame(t, s, data) })
	}
	readers.Wait()
}

func TestBothDrivesAreRead(t *testing.T) {
	data := random(3_000_001, 1)
	a, b := newDrive(t, data), newDrive(t, data)
	set, s := openAll(t, a, b)
	t.Log(s.Mechanism())
	require.Equal(t, 2, source.Copies(s))
	requireAllSame(t, s, data)
	stats := set.Stats()
	for i := range stats {
		require.NotZero(t, stats[i].Bytes, i)
		require.NotZero(t, stats[i].Speed, i)
		require.True(t, stats[i].Serves)
		require.Equal(t, 1, stats[i].Files)
	}
}

// A source that is closed twice counts once.
func TestASourceOfCopiesIsClosedOnce(t *testing.T) {
	data := random(300_001, 3)
	_, s := openAll(t, newDrive(t, data), newDrive(t, data))
	again, err := s.Bulk()
	require.NoError(t, err)
	require.NoError(t, again.Close())
	require.NoError(t, again.Close())
	require.Equal(t, 1, s.(*handle).opened[bulk])
	requireSame(t, s, data)
}
