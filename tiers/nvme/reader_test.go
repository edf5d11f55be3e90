package nvme

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"unsafe"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/checkpoint/source"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onDisk copies the model embedded in the program to a folder and opens it.
func onDisk(t *testing.T) *checkpoint.Checkpoint {
	t.Helper()
	tiny := embeddedModel(t)
	dir := t.TempDir()
	for _, f := range append(slices.Clone(tiny.Files()), tiny.Small()...) {
		data := make([]byte, f.Size())
		_, err := io.ReadFull(source.Section(f), data)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, f.Name()), data, 0o600))
	}
	return openCheckpoint(t, dir)
}

func embeddedModel(t *testing.T) *checkpoint.Checkpoint { return openCheckpoint(t, "embed:tiny") }

func openCheckpoint(t *testing.T, path string) *checkpoint.Checkpoint {
	t.Helper()
	ck, err := checkpoint.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ck.Close()) })
	return ck
}

func openReader(t *testing.T, ck *checkpoint.Checkpoint, o Options) *Reader {
	t.Helper()
	r, err := Open(ck.Files(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// bytesOf reads a view in the plainest way.
func bytesOf(t *testing.T, ck *checkpoint.Checkpoint, v *checkpoint.View) []byte {
	t.Helper()
	data, err := ck.ReadAll(v)
	require.NoError(t, err)
	return data
}

// buffer makes a source one that reads through the page cache.
func buffer(s Source) Source {
	if path := source.Path(s); path != "" {
		again, err := source.Dir(filepath.Dir(path)).Open(filepath.Base(path))
		if err != nil {
			panic(err)
		}
		s.Close()
		return again
	}
	return s
}

func TestEveryWayToReadGivesTheSameBytes(t *testing.T) {
	disk, tiny := onDisk(t), embeddedModel(t)
	for name, c := range map[string]struct {
		ck *checkpoint.Checkpoint
		o  Options
	}{
		"direct":       {disk, Options{}},
		"small pieces": {disk, Options{Chunk: 1000, Workers: 3}},
		"buffered":     {disk, Options{Wrap: buffer}},
		"memory":       {tiny, Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			r := openReader(t, c.ck, c.o)
			t.Log(r.Mechanism())
			views := []*checkpoint.View{c.ck.Expert(expertfs.NewKey(0, 0)), c.ck.Expert(expertfs.NewKey(3, 31)), c.ck.Dense(1), c.ck.Embedding(), c.ck.Unembedding()}
			var read int64
			for _, v := range views {
				got := make([]byte, v.Size())
				j := r.Start(v, got, 0)
				<-j.Done()
				require.NoError(t, j.Err())
				require.True(t, bytes.Equal(bytesOf(t, c.ck, v), got))
				read += v.Size() - int64(len(v.Header))
			}
			require.GreaterOrEqual(t, r.BytesRead(), read)
		})
	}
}

func TestReadAtIsAReaderAt(t *testing.T) {
	ck := onDisk(t)
	r := openReader(t, ck, Options{Chunk: 5000})
	v := ck.Expert(expertfs.NewKey(1, 2))
	want := bytesOf(t, ck, v)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		off := rng.Int64N(v.Size() + 10)
		got := make([]byte, rng.IntN(20_000))
		n, err := r.ReadAt(context.Background(), v, got, off)
		expect, expectErr := bytes.NewReader(want).ReadAt(slices.Clone(got), off)
		require.Equal(t, expect, n)
		require.Equal(t, expectErr, err)
		require.True(t, bytes.Equal(want[min(off, v.Size()):min(off+int64(n), v.Size())], got[:n]))
	}
	_, err := r.ReadAt(context.Background(), v, make([]byte, 1), -1)
	require.ErrorIs(t, err, unix.EINVAL)
}

// script is a source whose reads wait for the test.
type script struct {
	Source
	started chan int64    // offsets, in the order of the reads
	goOn    chan struct{} // one for each read
}

func (s script) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	s.started <- off
	<-s.goOn
	return s.Source.ReadAt(ctx, p, off)
}

// scripted is a reader whose reads wait for the test.
func scripted(t *testing.T, ck *checkpoint.Checkpoint, workers int) (*Reader, script) {
	s := script{started: make(chan int64, 1000), goOn: make(chan struct{}, 1000)}
	r := openReader(t, ck, Options{Workers: workers, Wrap: func(of Source) Source {
		s.Source = of
		return s
	}})
	t.Cleanup(sync.OnceFunc(func() { close(s.goOn) })) // before r is closed
	return r, s
}

// finish lets the reads of jobs go on, six for an expert, and waits for them.
func (s script) finish(t *testing.T, jobs ...*Job) {
	for range 6 * len(jobs) {
		s.goOn <- struct{}{}
	}
	for _, j := range jobs {
		<-j.Done()
		require.NoError(t, j.Err())
	}
}

// start starts a job for one expert.
func start(ck *checkpoint.Checkpoint, r *Reader, expert int, class Class) *Job {
	v := ck.Expert(expertfs.NewKey(0, expert))
	if class == Prefetch {
		return r.Prefetch(v, make([]byte, v.Size()), 0)
	}
	return r.Start(v, make([]byte, v.Size()), 0)
}

// firstRead is the offset of the first read of an expert.
func firstRead(ck *checkpoint.Checkpoint, expert int) int64 {
	return ck.Expert(expertfs.NewKey(0, expert)).Extents()[0].Off
}

func TestDemandComesBeforePrefetch(t *testing.T) {
	ck := embeddedModel(t)
	r, s := scripted(t, ck, 1)
	busy := start(ck, r, 0, Demand)
	require.Equal(t, firstRead(ck, 0), <-s.started)
	guess, promoted, demand := start(ck, r, 1, Prefetch), start(ck, r, 2, Prefetch), start(ck, r, 3, Demand)
	promoted.Promote()
	s.finish(t, busy, demand, promoted, guess)
	var order []int64
	for range 23 {
		order = append(order, <-s.started)
	}
	require.Equal(t, []int64{firstRead(ck, 3), firstRead(ck, 2), firstRead(ck, 1)}, []int64{order[5], order[11], order[17]})
}

func TestPrefetchesCanBeDropped(t *testing.T) {
	ck := embeddedModel(t)
	r, s := scripted(t, ck, 1)
	begun := start(ck, r, 0, Prefetch)
	<-s.started
	waiting, wanted := start(ck, r, 1, Prefetch), start(ck, r, 2, Prefetch)
	wanted.Promote()
	require.False(t, wanted.Drop())
	for _, j := range []*Job{waiting, begun} {
		require.True(t, j.Drop())
		require.False(t, j.Drop())
		require.ErrorIs(t, j.Err(), ErrDropped)
	}
	<-waiting.Done()
	select {
	case <-begun.Done():
		require.Fail(t, "its memory is still being written to")
	default:
	}
	for range 1 + 6 {
		s.goOn <- struct{}{}
	}
	<-begun.Done()
	<-wanted.Done()
	require.NoError(t, wanted.Err())
}

func TestPrefetchesAreReadInTheOrderTheyAreDue(t *testing.T) {
	ck := embeddedModel(t)
	r, s := scripted(t, ck, 1)
	busy := start(ck, r, 0, Demand)
	<-s.started
	var jobs []*Job
	for i, due := range []int64{7, 5, 7, 6} {
		v := ck.Expert(expertfs.NewKey(0, 1+i))
		jobs = append(jobs, r.Prefetch(v, make([]byte, v.Size()), due))
	}
	s.finish(t, append(jobs, busy)...)
	var order []int64
	for range 5*6 - 1 {
		order = append(order, <-s.started)
	}
	require.Equal(t, []int64{firstRead(ck, 2), firstRead(ck, 4), firstRead(ck, 1), firstRead(ck, 3)},
		[]int64{order[5], order[11], order[17], order[23]})
}

func TestPrefetchesLeaveWorkersToReaders(t *testing.T) {
	ck := embeddedModel(t)
	r, s := scripted(t, ck, 3)
	guess := start(ck, r, 0, Prefetch)
	guesses := []int64{<-s.started, <-s.started}
	demand := start(ck, r, 1, Demand)
	require.Equal(t, firstRead(ck, 1), <-s.started, "while both reads of the prefetch are under way")
	require.NotContains(t, guesses, firstRead(ck, 1))
	s.finish(t, guess, demand)
}

func TestAPromotedPrefetchWakesWorkers(t *testing.T) {
	ck := embeddedModel(t)
	r, s := scripted(t, ck, 3)
	guess, wanted := start(ck, r, 0, Prefetch), start(ck, r, 1, Prefetch)
	for range 2 {
		<-s.started // the third worker may take no more of them
	}
	wanted.Promote()
	require.Equal(t, firstRead(ck, 1), <-s.started)
	s.finish(t, guess, wanted)
}

func TestACallerThatGivesUpGetsItsMemoryBack(t *testing.T) {
	ck := embeddedModel(t)
	r, s := scripted(t, ck, 1)
	ctx, cancel := context.WithCancel(context.Background())
	errs := make(chan error)
	go func() {
		v := ck.Expert(expertfs.NewKey(0, 0))
		_, err := r.ReadAt(ctx, v, make([]byte, v.Size()), 0)
		errs <- err
	}()
	<-s.started
	cancel()
	for queued := true; queued; runtime.Gosched() { // until the rest is given up
		r.mu.Lock()
		queued = len(r.lanes[driveLane].queues[Demand]) > 0
		r.mu.Unlock()
	}
	s.goOn <- struct{}{} // the read under way must end first
	require.ErrorIs(t, <-errs, context.Canceled)
	require.Empty(t, s.started, "the rest is not read")
}

func TestCloseEndsJobs(t *testing.T) {
	ck := embeddedModel(t)
	s := script{started: make(chan int64, 1000), goOn: make(chan struct{}, 1000)}
	r, err := Open(ck.Files(), Options{Workers: 1, Wrap: func(of Source) Source {
		s.Source = of
		return s
	}})
	require.NoError(t, err)
	begun, waiting := start(ck, r, 0, Demand), start(ck, r, 1, Demand)
	<-s.started
	closed := make(chan error)
	go func() { closed <- r.Close() }()
	<-waiting.Done()
	require.ErrorIs(t, waiting.Err(), ErrClosed)
	s.goOn <- struct{}{}
	require.NoError(t, <-closed)
	require.NoError(t, r.Close(), "once more")
	<-begun.Done()
	require.ErrorIs(t, begun.Err(), ErrClosed)
	late := start(ck, r, 2, Demand)
	<-late.Done()
	require.ErrorIs(t, late.Err(), ErrClosed)
}

func TestThePageCacheStaysOut(t *testing.T) {
	ck := onDisk(t)
	r := openReader(t, ck, Options{})
	f, err := os.Open(source.Path(ck.Files()[0]))
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Sync())
	require.NoError(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
	// The largest tensor of layer 0, all of whose experts are read.
	first, last := ck.Expert(expertfs.NewKey(0, 0)).Extents()[0], ck.Expert(expertfs.NewKey(0, 31)).Extents()[0]
	if n := pagesCached(t, f, first.Off, last.Off+last.Len); n > 0 {
		t.Skip("the temporary folder keeps its files in the page cache")
	}
	for expert := range 32 {
		j := start(ck, r, expert, Demand)
		<-j.Done()
		require.NoError(t, j.Err())
	}
	if r.Mechanism() != "O_DIRECT" {
		t.Skip("no O_DIRECT in the temporary folder: ", r.Mechanism())
	}
	require.Zero(t, pagesCached(t, f, first.Off, last.Off+last.Len))
}

// pagesCached counts the pages of a range of a file that the page cache holds.
func pagesCached(t *testing.T, f *os.File, from, to int64) (n int) {
	t.Helper()
	page := int64(os.Getpagesize())
	from, to = (from+page-1)/page*page, to/page*page
	mem, err := unix.Mmap(int(f.Fd()), from, int(to-from), unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	defer unix.Munmap(mem)
	cached := make([]byte, (to-from)/page)
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&mem[0])), uintptr(len(mem)), uintptr(unsafe.Pointer(&cached[0])))
	require.Zero(t, errno)
	for _, c := range cached {
		n += int(c & 1)
	}
	return n
}
