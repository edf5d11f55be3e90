package nvme

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/checkpoint/checkpointtest/reference"
	"expertfs/checkpoint/source"
	"expertfs/checkpoint/source/diskcache"
	"expertfs/checkpoint/source/remote"
	"expertfs/checkpoint/source/s3"
	"expertfs/checkpoint/source/storetest"

	"github.com/stretchr/testify/require"
)

// What waits for the network does not keep the drive from those whose bytes are here.
func TestTheDriveDoesNotWaitForTheNetwork(t *testing.T) {
	store := storetest.S3(t, storetest.Files(t, reference.Path(t, "a64/hf"), "b/"))
	var cache *diskcache.Cache
	ck, err := checkpoint.OpenWith("s3://models/b", checkpoint.Options{Cache: func(f *remote.Folder) (c source.Folder, err error) {
		cache, _, err = diskcache.Open(f, diskcache.Options{Dir: t.TempDir()})
		return cache, err
	}})
	require.NoError(t, err)
	defer func() { require.NoError(t, cache.Close()) }()
	defer ck.Close()
	r := openReader(t, ck, Options{FarWorkers: 3, FarChunk: 5000})
	read := func(k expertfs.Key) *Job {
		v := ck.Expert(k)
		return r.Start(v, make([]byte, v.Size()), 0)
	}
	here := expertfs.NewKey(1, 0)
	first := read(here)
	<-first.Done()
	require.NoError(t, first.Err())
	var away []expertfs.Key // some of it was read with the header
	for layer := range ck.Config().Layers {
		for expert := range ck.Config().Experts {
			k := expertfs.NewKey(layer, expert)
			for _, p := range ck.Expert(k).Parts {
				if e := p.From[0]; !source.Near(r.sources[e.File], e.Off, e.Len) {
					away = append(away, k)
					break
				}
			}
		}
	}
	require.Greater(t, len(away), 20)

	held := make(chan struct{})
	store.SetFault(func(w http.ResponseWriter, r *http.Request, serve http.Handler) {
		<-held
		serve.ServeHTTP(w, r)
	})
	var waiting []*Job
	for _, k := range away[:8] {
		waiting = append(waiting, read(k))
	}
	for range 3 {
		near := read(here)
		<-near.Done()
		require.NoError(t, near.Err())
	}
	v := ck.Expert(here)
	got, want := make([]byte, v.Size()), make([]byte, v.Size())
	_, err = r.ReadAt(t.Context(), v, got, 0)
	require.NoError(t, err)
	select {
	case <-waiting[7].Done():
		t.Fatal("it has come without the network")
	default:
	}
	dropped := r.Prefetch(v, want, 1)
	<-dropped.Done()
	require.NoError(t, dropped.Err())
	require.Equal(t, got, want)
	far := ck.Expert(away[len(away)-1])
	prefetch := r.Prefetch(far, make([]byte, far.Size()), 1)
	require.True(t, prefetch.Drop(), "also of the network's queue")
	close(held)
	for _, j := range waiting {
		<-j.Done()
		require.NoError(t, j.Err())
	}
	require.Zero(t, cache.Figures().Stopped)
}

// A worker takes more at a time when all have something to do.
func TestBusyWorkersMakeFewerRequests(t *testing.T) {
	store := storetest.S3(t, storetest.Files(t, filepath.Dir(source.Path(wide(t).Files()[0])), "b/"))
	folder, err := s3.New("//"+storetest.Bucket+"/b", false, nil)
	require.NoError(t, err)
	ck, err := checkpoint.OpenFolder(folder, "b")
	require.NoError(t, err)
	defer ck.Close()
	v := ck.Expert(expertfs.NewKey(0, 3))
	longest := int64(0)
	for _, p := range v.Parts {
		longest = max(longest, p.From[0].Len)
	}
	read := func(workers int) (got []byte, requests int64) {
		r := openReader(t, ck, Options{FarWorkers: workers, FarChunk: int(longest/2 + farBlock)})
		require.Eventually(t, func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.lanes[networkLane].idle == workers
		}, 5*time.Minute, time.Millisecond)
		before := store.Requests.Load()
		got = make([]byte, v.Size())
		_, err := r.ReadAt(t.Context(), v, got, 0)
		require.NoError(t, err)
		return got, store.Requests.Load() - before
	}
	many, manyRequests := read(64)
	one, oneRequests := read(1)
	require.Equal(t, many, one)
	require.EqualValues(t, len(v.Parts), oneRequests)
	require.Greater(t, manyRequests, oneRequests)
}

// delayed adds a time to each request.
type delayed struct {
	base http.RoundTripper
	time time.Duration
}

func (d delayed) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(d.time)
	return d.base.RoundTrip(r)
}

// BenchmarkNetwork reads experts, 8 at a time, of the checkpoint in the bucket that
// EXPERTFS_BENCH_PLACE names ("//models/b"): by plain ranges of the same client, by
// the workers for what is far, and by way of the cache; with latency added.
func BenchmarkNetwork(b *testing.B) {
	place := os.Getenv("EXPERTFS_BENCH_PLACE")
	if place == "" {
		b.Skip("EXPERTFS_BENCH_PLACE is not set")
	}
	for _, latency := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond} {
		for _, c := range []struct{ workers, chunk int }{{8, 4 << 20}, {16, 4 << 20}, {32, 1 << 20}, {32, 2 << 20}, {32, 4 << 20}, {32, 8 << 20}, {64, 1 << 20}, {64, 4 << 20}} {
			b.Run(fmt.Sprintf("added=%v/workers=%d/part=%dMiB", latency, c.workers, c.chunk>>20), func(b *testing.B) {
				benchmarkFar(b, place, latency, c.workers, c.chunk, false)
			})
		}
		b.Run(fmt.Sprintf("added=%v/plain", latency), func(b *testing.B) { benchmarkPlain(b, place, latency) })
		b.Run(fmt.Sprintf("added=%v/cache", latency), func(b *testing.B) {
			benchmarkFar(b, place, latency, DefaultFarWorkers, DefaultFarChunk, true)
		})
	}
}

func benchFolder(b *testing.B, place string, latency time.Duration) *remote.Folder {
	var base http.RoundTripper
	if latency > 0 {
		base = delayed{remote.NewTransport(nil), latency}
	}
	f, err := s3.New(place, false, base)
	require.NoError(b, err)
	return f
}

// inFlight is how many experts are read at a time.
const inFlight = 8

func benchmarkFar(b *testing.B, place string, latency time.Duration, workers, chunk int, keep bool) {
	dir := os.Getenv("EXPERTFS_BENCH_CACHE")
	if dir == "" {
		dir = b.TempDir()
	}
	dir, err := os.MkdirTemp(dir, "cache")
	require.NoError(b, err)
	defer func() { require.NoError(b, os.RemoveAll(dir)) }()
	var cache *diskcache.Cache
	network := benchFolder(b, place, latency)
	folder := source.Folder(network)
	if keep {
		cache, _, err = diskcache.Open(network, diskcache.Options{Dir: dir})
		require.NoError(b, err)
		defer func() { require.NoError(b, cache.Close()) }()
		folder = cache
	}
	ck, err := checkpoint.OpenFolder(folder, "bench")
	require.NoError(b, err)
	defer ck.Close()
	if keep {
		cache.Together(ck.Files(), ck.Beside())
	}
	r, err := Open(ck.Files(), Options{FarWorkers: workers, FarChunk: chunk})
	require.NoError(b, err)
	defer r.Close()
	slots := make(chan []byte, inFlight)
	for range inFlight {
		slots <- make([]byte, ck.ExpertSize())
	}
	c := ck.Config()
	b.SetBytes(ck.ExpertSize())
	var readers sync.WaitGroup
	for i := 0; i < 2*inFlight || b.Loop(); i++ { // memory is had first
		slot := <-slots
		j := r.Start(ck.Expert(expertfs.NewKey(i/c.Experts%c.Layers, i%c.Experts)), slot, 0)
		readers.Go(func() {
			<-j.Done()
			if j.Err() != nil {
				b.Error(j.Err())
			}
			slots <- slot
		})
	}
	readers.Wait()
	if cache != nil {
		b.ReportMetric(100*(1-float64(cache.Figures().Skipped)/float64(network.Figures().Bytes)), "%kept")
	}
}

// benchmarkPlain asks for the same bytes in as many ranges at a time, one file of
// the place.
func benchmarkPlain(b *testing.B, place string, latency time.Duration) {
	f := benchFolder(b, place, latency)
	l, err := f.Listing(context.Background())
	require.NoError(b, err)
	file := l.Files[0]
	for _, o := range l.Files {
		if o.Size > file.Size {
			file = o
		}
	}
	const expert = 13_236_480
	b.SetBytes(expert)
	parts := make(chan int64)
	var readers sync.WaitGroup
	for range DefaultFarWorkers {
		readers.Go(func() {
			p := make([]byte, DefaultFarChunk)
			for off := range parts {
				n := min(int64(DefaultFarChunk), expert-off%expert)
				if err := f.Fetch(context.Background(), file, off%(file.Size-expert), p[:n]); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := int64(0); i < 2*inFlight || b.Loop(); i++ {
		for at := int64(0); at < expert; at += DefaultFarChunk {
			parts <- i*expert + at
		}
	}
	close(parts)
	readers.Wait()
}
