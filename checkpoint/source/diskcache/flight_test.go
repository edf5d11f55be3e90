package diskcache

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"expertfs/checkpoint/source"
	"expertfs/checkpoint/source/storetest"
	"expertfs/checkpoint/view"

	"github.com/stretchr/testify/require"
)

// Small pieces side by side are fetched by one request, whoever asks for one of them first,
// and are kept.
func TestTogetherIsOneRequest(t *testing.T) {
	files, dir := content(), t.TempDir()
	store, big := storetest.S3(t, files), files["b/"+model]
	c, _ := open(t, dir, 0)
	s := openBulk(t, c, model)
	const from, piece, pieces = 1_000_001, 11_520, 16
	_, err := readRange(t, s, 2<<20+50_000, 1000)
	require.NoError(t, err)
	c.Together([]source.Source{s}, []view.Extent{{Off: from, Len: pieces * piece}, {Off: from + 5, Len: 100}, {Off: 2 << 20, Len: 100_000}})
	before := store.Requests.Load()
	var readers sync.WaitGroup
	for i := range int64(pieces) {
		readers.Go(func() {
			at := from + i*piece
			got := make([]byte, piece)
			if _, err := s.ReadAt(t.Context(), got, at); err != nil || !bytes.Equal(big[at:][:piece], got) {
				t.Errorf("piece %d: %v", i, err)
			}
		})
	}
	readers.Wait()
	require.Equal(t, before+1, store.Requests.Load())

	// What is beside it is read as ever, and so is a piece of what is there in part.
	for _, at := range []int64{from - piece, 2 << 20} {
		bytes := c.upstream.Figures().Bytes
		got, err := readRange(t, s, at, piece)
		require.NoError(t, err)
		require.Equal(t, big[at:][:piece], got)
		require.Less(t, c.upstream.Figures().Bytes, bytes+2*piece)
	}
	require.NoError(t, c.Close())
	c, _ = open(t, dir, 0)
	require.Greater(t, check(t, c, files), int64(pieces*piece))
	require.NoError(t, c.Close())
}

// A cache that has no room for what is read together reads the pieces.
func TestTogetherWhereItCannotBeKept(t *testing.T) {
	files := content()
	storetest.S3(t, files)
	c, _ := open(t, t.TempDir(), 64<<10)
	s := openBulk(t, c, model)
	c.Together([]source.Source{s}, []view.Extent{{Off: 1 << 20, Len: 100_000}})
	got, err := readRange(t, s, 1<<20+5, 1000)
	require.NoError(t, err)
	require.Equal(t, files["b/"+model][1<<20+5:][:1000], got)
	require.Less(t, c.upstream.Figures().Bytes, int64(20_000))
	require.NoError(t, c.Close())
}

// waiter is a context that tells when somebody waits for it or for something else.
type waiter struct {
	context.Context
	waits chan struct{}
}

func (w waiter) Done() <-chan struct{} {
	select {
	case w.waits <- struct{}{}:
	default:
	}
	return w.Context.Done()
}

// Those who wait for pieces that are then not kept, as the drive is behind, do not wait
// for each other too.
func TestTogetherWhileTheDriveIsBehind(t *testing.T) {
	const from, piece, others = 1 << 20, 8192, 3
	files := content()
	store, big := storetest.S3(t, files), files["b/"+model]
	c, _ := open(t, t.TempDir(), 0)
	s := openBulk(t, c, model)
	c.Together([]source.Source{s}, []view.Extent{{Off: from, Len: (1 + others) * piece}})
	require.True(t, c.behind.reads.TryAcquire(readRoom))

	var first atomic.Bool
	asked, begun := make(chan struct{}, 1+others), make(chan struct{})
	held, all := make(chan struct{}), make(chan struct{})
	store.SetFault(func(w http.ResponseWriter, r *http.Request, serve http.Handler) {
		if first.CompareAndSwap(false, true) {
			close(begun)
			<-held
		} else {
			asked <- struct{}{}
			<-all
		}
		serve.ServeHTTP(w, r)
	})
	var reads sync.WaitGroup
	read := func(ctx context.Context, i int64) {
		reads.Go(func() {
			got, at := make([]byte, piece), from+i*piece
			if _, err := s.ReadAt(ctx, got, at); err != nil || !bytes.Equal(big[at:][:piece], got) {
				t.Errorf("piece %d: %v", i, err)
			}
		})
	}
	read(t.Context(), 0)
	<-begun
	for i := range int64(others) {
		w := waiter{t.Context(), make(chan struct{}, 1)}
		read(w, 1+i)
		<-w.waits
	}
	close(held)
	for range others {
		select {
		case <-asked:
		case <-time.After(20 * time.Second):
			t.Error("they wait for each other")
		}
	}
	close(all)
	reads.Wait()
	c.behind.reads.Release(readRoom)
	require.NoError(t, c.Close())
}

// Two ranges that share a block do not wait for each other, and both are kept.
func TestNeighboursDoNotWait(t *testing.T) {
	files, dir := content(), t.TempDir()
	store, big := storetest.S3(t, files), files["b/"+model]
	c, _ := open(t, dir, 0)
	s := openBulk(t, c, model)
	const lo, mid, hi = 1_000_001, 1_300_007, 1_500_003
	asked, held := make(chan struct{}), make(chan struct{})
	store.SetFault(func(w http.ResponseWriter, r *http.Request, serve http.Handler) {
		if strings.HasPrefix(r.Header.Get("Range"), "bytes=999424-") {
			close(asked)
			<-held
		}
		serve.ServeHTTP(w, r)
	})
	first := make([]byte, mid-lo)
	done := make(chan error)
	go func() {
		_, err := s.ReadAt(t.Context(), first, lo)
		done <- err
	}()
	<-asked
	second := make([]byte, hi-mid)
	read := make(chan error)
	go func() {
		_, err := s.ReadAt(t.Context(), second, mid)
		read <- err
	}()
	select {
	case err := <-read:
		require.NoError(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for its neighbour")
	}
	require.True(t, bytes.Equal(big[mid:hi], second))
	close(held)
	require.NoError(t, <-done)
	require.True(t, bytes.Equal(big[lo:mid], first))
	require.True(t, c.file(c.listing.Find(model)).near(extent{lo, hi}), "what one of them does not keep, the other one does")
	require.NoError(t, c.Close())
	c, _ = open(t, dir, 0)
	check(t, c, files)
	require.True(t, source.Near(openBulk(t, c, model), lo, hi-lo))
	require.NoError(t, c.Close())
}
