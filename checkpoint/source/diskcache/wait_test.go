package diskcache

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"expertfs/checkpoint/source/storetest"

	"github.com/stretchr/testify/require"
)

// Fill waits for room before it begins to fetch: who reads the same range does not wait
// for the drive with it.
func TestReadersDoNotWaitWhereFillWaits(t *testing.T) {
	files := content()
	store, big := storetest.S3(t, files), files["b/model.safetensors"]
	c, release := openHeld(t, nil)
	s := openBulk(t, c, model)
	f := c.file(c.listing.Find(model))
	require.True(t, c.behind.fills.TryAcquire(fillRoom))
	before := store.Requests.Load()
	filled := make(chan error, 1)
	go func() { filled <- c.Fill(t.Context(), []Range{{f, extent{0, fillPart}}}, nil) }()
	require.Eventually(t, func() bool { return !c.behind.fills.TryAcquire(0) }, 5*time.Minute, time.Millisecond, "somebody waits")
	require.Equal(t, before, store.Requests.Load(), "what finds no room is not fetched")

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got := make([]byte, fillPart)
	_, err := s.ReadAt(ctx, got, 0)
	require.NoError(t, err)
	require.True(t, bytes.Equal(big[:fillPart], got))
	require.True(t, f.near(extent{0, fillPart}), "it is kept")
	require.Zero(t, c.Figures().Skipped)

	c.behind.fills.Release(fillRoom)
	release()
	require.NoError(t, <-filled)
	require.True(t, f.has(extent{0, fillPart}))
	require.True(t, c.behind.fills.TryAcquire(fillRoom), "Fill has given its room back")
	require.Equal(t, before+1, store.Requests.Load(), "it has taken what the reader has brought")
	require.NoError(t, c.Close())
}

// While the end of Fill waits for the drive, what readers fetch is kept; and it ends
// when it is no longer wanted.
func TestReadersFindRoomWhileFillEnds(t *testing.T) {
	files := content()
	storetest.S3(t, files)
	c, release := openHeld(t, nil)
	s := openBulk(t, c, model)
	f := c.file(c.listing.Find(model))
	_, err := readRange(t, s, 0, block)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	fetched, filled := make(chan struct{}), make(chan error, 2)
	go func() {
		filled <- c.Fill(ctx, []Range{{f, extent{0, block}}}, func(int64) { close(fetched) })
	}()
	<-fetched // it ends
	const many = 100
	for i := range int64(many) {
		at := (i + 1) * 5 * block
		got, err := readRange(t, s, at, block)
		require.NoError(t, err)
		require.Equal(t, files["b/"+model][at:][:block], got)
		require.True(t, f.near(extent{at, at + block}), i)
	}
	require.Zero(t, c.Figures().Skipped)
	require.Empty(t, filled, "nothing was written")
	cancel()
	require.ErrorIs(t, <-filled, context.Canceled)

	go func() { filled <- c.Fill(t.Context(), []Range{{f, extent{0, block}}}, nil) }()
	release()
	require.NoError(t, <-filled)
	require.True(t, f.has(extent{0, block}))
	require.NoError(t, c.behind.flush(t.Context()))
	require.EqualValues(t, (many+1)*block, c.Figures().Cached)
	require.NoError(t, c.Close())
}

// A cache that is closed under its readers costs them no byte, and leaves none that is
// wrong.
func TestCloseDuringAFetch(t *testing.T) {
	files, dir := content(), t.TempDir()
	storetest.S3(t, files)
	big := files["b/"+model]
	c, _ := open(t, dir, 0)
	s := openBulk(t, c, model)
	f := c.file(c.listing.Find(model))
	var readers sync.WaitGroup
	begun := make(chan struct{}, 4)
	end := make(chan struct{})
	for range cap(begun) {
		readers.Go(func() {
			buf := make([]byte, 100_000)
			for i := 0; ; i++ {
				off := rand.Int64N(int64(len(big) - len(buf)))
				if _, err := s.ReadAt(t.Context(), buf, off); err != nil || !bytes.Equal(big[off:][:len(buf)], buf) {
					t.Errorf("at %d: %v", off, err)
				}
				if i == 0 {
					begun <- struct{}{}
				}
				select {
				case <-end:
					return
				case <-time.After(100 * time.Microsecond): // the others' turn, where there is one processor
				}
			}
		})
	}
	for range cap(begun) {
		<-begun
	}
	require.NoError(t, c.Close())
	kept := func() int64 {
		f.mu.Lock()
		defer f.mu.Unlock()
		require.Empty(t, f.pending)
		return f.have.total()
	}
	there := kept()
	for _, n := range []int64{block, int64(len(big))} {
		got, err := readRange(t, s, 0, n)
		require.NoError(t, err)
		require.True(t, bytes.Equal(big[:n], got))
	}
	close(end)
	readers.Wait()
	require.Equal(t, there, kept(), "nothing was kept since")
	require.Equal(t, there, c.Figures().Cached)
	require.True(t, c.behind.reads.TryAcquire(readRoom), "nothing holds room")
	require.ErrorIs(t, c.Fill(t.Context(), []Range{{f, extent{0, f.info.Size}}}, nil), errClosed)
	require.True(t, c.behind.fills.TryAcquire(fillRoom), "nothing holds room")

	c, warnings := open(t, dir, 0)
	require.Empty(t, warnings)
	require.Equal(t, there, check(t, c, files))
	require.NoError(t, c.Close())
}
