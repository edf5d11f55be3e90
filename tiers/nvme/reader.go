package nvme

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"expertfs/checkpoint/source"
	"expertfs/checkpoint/view"

	"golang.org/x/sys/unix"
)

// Defaults by measurement. Larger reads are no faster on the drive, and their
// buffers no longer fit the processor's cache when they are copied from.
const (
	DefaultWorkers = 6
	DefaultChunk   = 1 << 20
)

// hugePage is the size of a huge page.
const hugePage = 2 << 20

// Options of a Reader. The zero value is the default.
type Options struct {
	// By default there are as many more reads, and as much smaller ones, as the files
	// have copies on drives.
	Workers int // reads of the drives in flight
	Chunk   int // bytes of the largest read, about

	FarWorkers int // the same of a network
	FarChunk   int

	// Wrap, when set, replaces each source by what it returns.
	Wrap func(Source) Source
}

// Reader reads views. Its methods may be called concurrently.
type Reader struct {
	sources []Source
	chunk   int64
	arena   []byte // the workers' buffers, outside of Go's heap

	// Ends when the reader closes, for sources whose reads can take long.
	reading context.Context
	stop    context.CancelFunc

	farChunk int64

	bytes   atomic.Int64 // read from the sources
	workers sync.WaitGroup

	mu     sync.Mutex
	lanes  [lanes]queues
	closed bool
}

// lane is a way that pieces take: each has workers of its own, so that the drive
// never waits for a network.
type lane int

const (
	driveLane   lane = iota
	networkLane      // what is not near, see far.go
	lanes
)

// queues are what the workers of a lane have to do.
type queues struct {
	wake   sync.Cond // a queue has work, or closed
	queues [classes][]*Job

	// Prefetches leave some workers free, so that a reader who comes to wait
	// need not wait for the reads of prefetches first.
	speculative int // pieces of prefetches that may be read at a time
	speculating int // those being read

	idle int // workers that wait, or were woken and have not looked yet
}

// Open opens the files that views refer to, each once more, and starts the
// workers. The files stay the caller's.
func Open(files []Source, o Options) (*Reader, error) {
	drives := 1
	for _, f := range files {
		drives = max(drives, source.Copies(f))
	}
	if o.Workers <= 0 {
		o.Workers = DefaultWorkers * drives
	}
	if o.Chunk <= 0 {
		o.Chunk = DefaultChunk / drives // so that they have about as much of an extent each
	}
	if o.FarWorkers <= 0 {
		o.FarWorkers = DefaultFarWorkers
	}
	if o.FarChunk <= 0 {
		o.FarChunk = DefaultFarChunk
	}
	r := &Reader{chunk: int64(o.Chunk), farChunk: int64(o.FarChunk)}
	for l, workers := range [lanes]int{o.Workers, o.FarWorkers} {
		r.lanes[l].wake.L = &r.mu
		r.lanes[l].speculative = max(1, workers*2/3)
	}
	r.reading, r.stop = context.WithCancel(context.Background())
	align := int64(1)
	for _, f := range files {
		s, err := f.Bulk()
		if err != nil {
			r.Close()
			return nil, err
		}
		if o.Wrap != nil {
			s = o.Wrap(s)
		}
		r.sources = append(r.sources, s)
		offset, _ := s.Align()
		align = max(align, offset)
	}
	// An aligned superset may begin and end short of a whole unit outside.
	// A transform has several inputs, each with such ends.
	size := (o.Chunk + maxInputs*2*int(align) + sector - 1) / sector * sector
	total := int(roundUp(int64(size*o.Workers), hugePage))
	arena, err := unix.Mmap(-1, 0, total, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("buffers of %d bytes for the drive: %w", total, err)
	}
	r.arena = arena
	// The kernel pins the pages of a buffer for each read; a huge page is one.
	// That halves what a read costs the processor. It is advice only, and taken
	// only for whole huge pages.
	_ = unix.Madvise(arena, unix.MADV_HUGEPAGE)
	for i := range o.Workers {
		buf := arena[i*size : (i+1)*size : (i+1)*size]
		r.workers.Go(func() { r.work(driveLane, buf) })
	}
	r.startFar(o.FarWorkers)
	return r, nil
}

// Mechanism tells how the files are read, each way once.
func (r *Reader) Mechanism() string {
	var how []string
	for _, s := range r.sources {
		how = append(how, s.Mechanism())
	}
	slices.Sort(how)
	return strings.Join(slices.Compact(how), " and ")
}

// BytesRead returns the bytes read from the drive so far, those around the
// ones asked for included.
func (r *Reader) BytesRead() int64 { return r.bytes.Load() }

// Close ends the jobs that have not begun with ErrClosed, waits for the reads
// under way, and closes the files. Once more it does nothing.
func (r *Reader) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	for l := range r.lanes {
		for _, queue := range r.lanes[l].queues {
			for _, j := range slices.Clone(queue) {
				j.unqueue() // off the other lane as well
				j.abandon(ErrClosed)
			}
		}
	}
	r.mu.Unlock()
	for l := range r.lanes {
		r.lanes[l].wake.Broadcast()
	}
	r.stop()
	r.workers.Wait()
	var errs []error
	if r.arena != nil {
		errs = append(errs, unix.Munmap(r.arena))
		r.arena = nil
	}
	for _, s := range r.sources {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// ReadAt reads a piece of a view as io.ReaderAt does, ahead of prefetches.
func (r *Reader) ReadAt(ctx context.Context, v *view.View, p []byte, off int64) (int, error) {
	size := v.Size()
	if off < 0 {
		return 0, unix.EINVAL
	}
	if off >= size {
		return 0, io.EOF
	}
	short := int64(len(p)) > size-off
	if short {
		p = p[:size-off]
	}
	j := r.Start(v, p, off)
	select {
	case <-j.Done():
	case <-ctx.Done():
		// The workers may be writing to p: it is the caller's again only
		// when they are through.
		j.cancel(ctx.Err())
		<-j.Done()
	}
	if err := j.Err(); err != nil {
		return 0, err
	}
	if short {
		return len(p), io.EOF
	}
	return len(p), nil
}

// roundUp returns the next multiple of align.
func roundUp(n, align int64) int64 { return (n + align - 1) / align * align }

// ReadError is a read that failed.
type ReadError struct {
	File     string
	Off, Len int64 // what was asked of the file
	Err      error // errno, io.ErrUnexpectedEOF for a short read, or what Check found
}

func (e *ReadError) Error() string {
	return fmt.Sprintf("%s: read of %d bytes at %d: %v", e.File, e.Len, e.Off, e.Err)
}

func (e *ReadError) Unwrap() error { return e.Err }
