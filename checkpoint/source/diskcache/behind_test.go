package diskcache

import (
	"testing"
	"time"

	"expertfs/checkpoint/source/storetest"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openHeld opens a cache whose drive is held up until release is called; each write
// then ends with err.
func openHeld(t *testing.T, err error) (c *Cache, release func()) {
	t.Helper()
	held := make(chan struct{})
	c, warnings, oerr := Open(upstream(t), Options{Dir: t.TempDir(), writing: func() error { <-held; return err }})
	require.NoError(t, oerr)
	require.Empty(t, warnings)
	return c, func() { close(held) }
}

func TestReadersDoNotWaitForTheDrive(t *testing.T) {
	files := content()
	store, big := storetest.S3(t, files), files["b/model.safetensors"]
	c, release := openHeld(t, nil)
	s := openBulk(t, c, model)
	f := c.file(c.listing.Find(model))
	for range 2 {
		got, err := readRange(t, s, 5000, 2<<20)
		require.NoError(t, err)
		require.Equal(t, big[5000:][:2<<20], got)
		require.True(t, f.near(extent{5000, 5000 + 2<<20}), "it needs no network")
		require.False(t, f.has(extent{5000, 5000 + 2<<20}), "it is not on the drive")
	}
	require.EqualValues(t, 2, store.Requests.Load(), "the list and a range")
	// Around it, what is on its way is not asked for again, but for a little.
	got, err := readRange(t, s, 0, 3<<20)
	require.NoError(t, err)
	require.Equal(t, big[:3<<20], got)
	require.EqualValues(t, 4, store.Requests.Load())
	require.Less(t, c.upstream.Figures().Bytes, int64(3<<20+100_000))
	// What is on its way is not given up: its write would come after that.
	require.NoError(t, c.keeper.forget(f, []extent{{0, 1 << 20}}))
	require.True(t, f.near(extent{0, 3 << 20}))
	require.Zero(t, c.Figures().Skipped)

	release()
	settled(t, c, func() bool { return f.has(extent{0, 3 << 20}) })
	require.EqualValues(t, 3<<20, c.Figures().Cached)
	require.EqualValues(t, 3<<20, check(t, c, files))
	require.NoError(t, c.Close())
}

// What finds no room on its way to the drive is read all the same, and kept the next
// time. Of small pieces there may be as many as there is room for.
func TestWhatTheDriveIsTooSlowForIsNotKept(t *testing.T) {
	files := content()
	storetest.S3(t, files)
	c, release := openHeld(t, nil)
	s := openBulk(t, c, model)
	f := c.file(c.listing.Find(model))
	const few = 50
	require.True(t, c.behind.reads.TryAcquire(readRoom-few*block), "as if so much were on its way")
	at := func(i int64) int64 { return i * 10 * block }
	read := func(i int64) {
		got, err := readRange(t, s, at(i), block)
		require.NoError(t, err)
		require.Equal(t, files["b/"+model][at(i):][:block], got)
	}
	for i := range int64(few + 2) {
		read(i)
	}
	require.EqualValues(t, 2*block, c.Figures().Skipped)
	require.False(t, f.near(extent{at(few), at(few) + block}))
	c.behind.reads.Release(readRoom - few*block)
	release()
	require.NoError(t, c.behind.flush(t.Context()))
	read(few)
	settled(t, c, func() bool { return f.has(extent{at(few), at(few) + block}) })
	require.EqualValues(t, (few+1)*block, c.Figures().Cached)
	require.NoError(t, c.Close())
}

// Who fills waits for the drive, and has all of it there in the end.
func TestFillWaitsForTheDrive(t *testing.T) {
	files := content()
	storetest.S3(t, files)
	c, release := openHeld(t, nil)
	_ = openBulk(t, c, model)
	f := c.file(c.listing.Find(model))
	var ranges []Range
	const few = 20
	require.True(t, c.behind.fills.TryAcquire(fillRoom-few*block))
	for i := range int64(few + 10) {
		ranges = append(ranges, Range{f, extent{i * 5 * block, i*5*block + block}})
	}
	filled := make(chan error, 1)
	go func() { filled <- c.Fill(t.Context(), ranges, nil) }()
	require.Eventually(t, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.pending) == few
	}, 5*time.Minute, time.Millisecond)
	// A reader finds room meanwhile.
	_, err := readRange(t, openBulk(t, c, model), 2<<20, block)
	require.NoError(t, err)
	require.True(t, f.near(extent{2 << 20, 2<<20 + block}))
	select {
	case err := <-filled:
		t.Fatal("it has ended before all was written", err)
	default:
	}
	c.behind.fills.Release(fillRoom - few*block)
	release()
	require.NoError(t, <-filled)
	for _, r := range ranges {
		require.True(t, f.has(r.extent))
	}
	require.Zero(t, c.Figures().Skipped)
	require.NoError(t, c.Close())
}

// A drive that fails after the reader has gone on costs what it did not write.
func TestADriveThatFailsBehindTheReader(t *testing.T) {
	files := content()
	storetest.S3(t, files)
	c, release := openHeld(t, unix.ENOSPC)
	s := openBulk(t, c, model)
	f := c.file(c.listing.Find(model))
	_, err := readRange(t, s, 0, 1<<20)
	require.NoError(t, err)
	release()
	settled(t, c, func() bool { return c.Figures().Stopped != "" })
	require.Contains(t, c.Figures().Stopped, "full")
	require.NoError(t, c.behind.flush(t.Context()))
	require.False(t, f.near(extent{0, block}))
	require.Zero(t, c.Figures().Cached)
	require.ErrorContains(t, c.Fill(t.Context(), []Range{{f, extent{0, block}}}, nil), "full")
	got, err := readRange(t, s, 0, 2<<20)
	require.NoError(t, err)
	require.Equal(t, files["b/"+model][:2<<20], got)
	require.NoError(t, c.Close())
}

// Buffers stay for what comes next, and go when nothing does.
func TestBuffersGoWhenNothingIsWritten(t *testing.T) {
	files := content()
	storetest.S3(t, files)
	for trimAfter, left := range map[time.Duration]int{time.Hour: 1, time.Millisecond: 0} {
		c, _, err := Open(upstream(t), Options{Dir: t.TempDir(), latest: syncQuiet, trimAfter: trimAfter})
		require.NoError(t, err)
		s := openBulk(t, c, model)
		free := func() int {
			c.behind.mu.Lock()
			defer c.behind.mu.Unlock()
			return len(c.behind.free)
		}
		for off := range int64(3) {
			_, err := readRange(t, s, off<<20, 1<<20)
			require.NoError(t, err)
			require.NoError(t, c.behind.flush(t.Context())) // its buffer is free, or gone again
		}
		settled(t, c, func() bool { return free() == left })
		require.NoError(t, c.Close())
		require.Zero(t, free())
	}
}
