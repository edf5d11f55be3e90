package diskcache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"expertfs/checkpoint/source"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sys/unix"
)

// What was fetched and is not on the drive yet lies in buffers, 128 MiB of them at
// most. Those of readers are about what the requests in flight bring at once
// (tiers/nvme); Fill has its own, so that readers find theirs free. Four writes at a
// time keep a drive busy. A buffer is a huge page, where there are any, but for small
// writes: of a small model nothing is too much.
const (
	behindBuffer  = 2 << 20
	behindPart    = behindBuffer - 2*block // of one write: what is around it is in blocks, too
	smallBuffer   = 64 << 10               // up to which a buffer is no longer than its write
	readRoom      = 96 << 20               // bytes, of readers
	fillRoom      = 32 << 20               // of Fill
	behindWrites  = (readRoom + fillRoom) / block
	behindWriters = 4
)

// behind writes to the drive what was fetched, while its readers go on. It copies
// what they are given: their memory is theirs. A reader never waits for it: what
// finds no buffer is not kept. Fill waits for room before it fetches, as readers wait
// for the end of a fetch.
type behind struct {
	c            *Cache
	reads, fills *semaphore.Weighted // bytes of room
	queue        chan *write
	writers      sync.WaitGroup
	skipped      atomic.Int64 // bytes that found no buffer
	writing      func() error // of a test, or nil

	mu sync.Mutex
	// GUARDED BY mu.
	free   [][]byte // buffers that were used and are not
	closed bool     // the queue is
}

// write is a range that is being written. It is in file.pending until its end, so
// that its bytes are read from the buffer meanwhile.
type write struct {
	extent
	file *file
	buf  []byte
	room *semaphore.Weighted // that the buffer takes of
	over chan struct{}       // closed when it is on the drive, or has failed
}

func newBehind(c *Cache, writing func() error) *behind {
	return &behind{
		c: c, writing: writing, reads: semaphore.NewWeighted(readRoom), fills: semaphore.NewWeighted(fillRoom),
		queue: make(chan *write, behindWrites),
	}
}

func (b *behind) start() {
	for range behindWriters {
		b.writers.Go(func() {
			for w := range b.queue {
				b.write(w)
			}
		})
	}
}

// errClosed is why nothing is kept of what is fetched while a cache is closed.
var errClosed = errors.New("the cache was closed")

// close ends when all is written. What is fetched from now on is not kept.
func (b *behind) close() {
	b.mu.Lock()
	b.closed = true
	close(b.queue)
	b.mu.Unlock()
	b.writers.Wait()
	b.trim()
}

func (b *behind) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// enqueue has a write done, unless nothing is written any more.
func (b *behind) enqueue(w *write) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.queue <- w // as there is room for its bytes, there is one in the queue
	}
	return !b.closed
}

// flush waits until what was taken before is written. It takes no room, which others
// would not find meanwhile.
func (b *behind) flush(ctx context.Context) error {
	for _, f := range b.c.keeper.all() {
		f.mu.Lock()
		pending := slices.Clone(f.pending)
		f.mu.Unlock()
		for _, w := range pending {
			select {
			case <-w.over:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// cut returns the writes that a range is made of.
func cut(g extent) (parts []extent) {
	for g.len() > behindBuffer {
		at := (g.lo + behindPart) / block * block
		parts = append(parts, extent{g.lo, at})
		g.lo = at
	}
	return append(parts, g)
}

// room is what the buffer of a write takes.
func room(e extent) int64 {
	if e.len() > smallBuffer {
		return behindBuffer
	}
	return (e.len() + block - 1) / block * block
}

// roomFor is what the buffers of ranges take.
func roomFor(gaps []extent) (n int64) {
	for _, g := range gaps {
		for _, e := range cut(g) {
			n += room(e)
		}
	}
	return n
}

// take takes a range of a file to be written, of bytes that follow each other from
// off on in pieces. Its room is of ahead, which has as much; of a reader, for which
// that is nil, it is what is free.
func (b *behind) take(f *file, g extent, ahead *int64, off int64, pieces [][]byte) {
	n, from := roomFor([]extent{g}), b.fills
	if ahead != nil {
		*ahead -= n
	} else if from = b.reads; !from.TryAcquire(n) {
		b.skipped.Add(g.len())
		return
	}
	for _, e := range cut(g) {
		b.put(f, e, from, off, pieces)
	}
}

// put copies a part into a buffer, for which there is room, and has it written.
func (b *behind) put(f *file, e extent, from *semaphore.Weighted, off int64, pieces [][]byte) {
	c := b.c
	if !c.reserve(e.len()) {
		from.Release(room(e))
		c.keeper.kick() // which may make room
		return
	}
	buf, err := b.buffer(e)
	if err != nil {
		from.Release(room(e))
		c.used.Add(-e.len())
		b.skipped.Add(e.len())
		return
	}
	w := &write{e, f, buf[:e.len()], from, make(chan struct{})}
	for _, p := range pieces {
		if lo, hi := max(off, e.lo), min(off+int64(len(p)), e.hi); lo < hi {
			copy(w.buf[lo-e.lo:], p[lo-off:hi-off])
		}
		off += int64(len(p))
	}
	f.mu.Lock()
	kept := b.enqueue(w)
	if kept {
		f.pending = append(f.pending, w)
	}
	f.mu.Unlock()
	if !kept {
		c.used.Add(-e.len())
		b.giveBack(w)
		b.trim()
	}
}

// write puts a range on the drive.
func (b *behind) write(w *write) {
	f, c := w.file, b.c
	err := f.writeOut(w)
	f.mu.Lock()
	f.forgetPending(w)
	if err == nil {
		c.used.Add(f.have.add(w.extent) - w.len())
		f.fresh = append(f.fresh, w.extent)
	} else {
		c.used.Add(-w.len())
	}
	f.mu.Unlock()
	if err != nil {
		c.fail(f.info.Name, err)
	}
	b.giveBack(w)
	close(w.over)
	c.keeper.kick()
}

// giveBack gives buffer and room of a write back, which is over.
func (b *behind) giveBack(w *write) {
	if w.len() > smallBuffer {
		b.mu.Lock()
		b.free = append(b.free, w.buf[:behindBuffer])
		b.mu.Unlock()
	}
	w.room.Release(room(w.extent))
}

// writeOut writes past the page cache where that can be: the bytes are in RAM
// already, and a page that waits for the drive would be memory that nobody counts.
func (f *file) writeOut(w *write) error {
	if why := f.c.stopped.Load(); why != nil {
		return errors.New(*why)
	}
	if writing := f.c.behind.writing; writing != nil {
		if err := writing(); err != nil {
			return err
		}
	}
	f.mu.Lock()
	d, err := f.open()
	var direct int
	if err == nil {
		direct = f.openDirect()
	}
	f.mu.Unlock()
	if err != nil {
		return err
	}
	if direct >= 0 && w.lo%block == 0 && w.len()%block == 0 {
		for p, off := w.buf, w.lo; ; {
			n, err := unix.Pwrite(direct, p, off)
			switch {
			case err == unix.EINTR:
				continue
			case err != nil && err != unix.EINVAL:
				return err
			case err == nil && n == len(p):
				return nil
			}
			break // refused, or a part: as others write
		}
	}
	_, err = d.WriteAt(w.buf, w.lo)
	return err
}

// openDirect returns the file for writing past the page cache, -1 where it is not to
// be had. f.mu is held, f.data is open.
func (f *file) openDirect() int {
	if f.direct != 0 {
		return f.direct
	}
	f.direct = -1
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", f.data.Fd()), unix.O_WRONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	if offset, memory := source.DirectAlign(fd); offset > block || memory > block {
		unix.Close(fd)
		return -1
	}
	f.direct = fd
	return fd
}

// buffer returns a buffer for a write, as long as it or longer, whose address is that
// of a block.
func (b *behind) buffer(e extent) ([]byte, error) {
	if e.len() <= smallBuffer {
		buf := make([]byte, room(e)+block)
		return buf[-uintptr(unsafe.Pointer(&buf[0]))%block:], nil
	}
	b.mu.Lock()
	if n := len(b.free); n > 0 {
		buf := b.free[n-1]
		b.free = b.free[:n-1]
		b.mu.Unlock()
		return buf, nil
	}
	b.mu.Unlock()
	buf, err := unix.Mmap(-1, 0, behindBuffer, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err == nil {
		_ = unix.Madvise(buf, unix.MADV_HUGEPAGE) // only advice
	}
	return buf, err
}

// trim gives the memory of buffers back that are not in use.
func (b *behind) trim() {
	b.mu.Lock()
	free := b.free
	b.free = nil
	b.mu.Unlock()
	for _, buf := range free {
		_ = unix.Munmap(buf) // which has no error for what was mapped
	}
}
