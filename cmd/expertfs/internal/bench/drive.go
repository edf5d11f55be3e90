package bench

import (
	"errors"
	"fmt"
	"sync"

	"expertfs/checkpoint"
	"expertfs/cmd/internal/limits"

	"golang.org/x/sys/unix"
)

// sector is what O_DIRECT wants offsets, lengths and addresses to be multiples of.
const sector = 4096

// drive reads experts from the checkpoint's files past the page cache, with a
// number of reads in flight: the best that a cache could do on a miss.
type drive struct {
	m     *Mount
	fds   []int
	chunk int64 // bytes of the largest read
	touch bool  // sum what was read
	work  chan piece
	done  sync.WaitGroup
	bufs  [][]byte
}

// piece is a read of one file, for an expert.
type piece struct {
	file     int
	off, len int64
	of       *pending
}

// pending is an expert that is being read.
type pending struct {
	sync.WaitGroup
	mu  sync.Mutex
	err error
}

// newDrive opens the checkpoint's files. It must be given a shape by setShape
// before it is used.
func newDrive(m *Mount, touch bool) (*drive, error) {
	d := &drive{m: m, touch: touch}
	for i := range m.ck.Files() {
		path := m.ck.Path(i)
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: open with O_DIRECT: %w", path, err), d.close())
		}
		d.fds = append(d.fds, fd)
	}
	return d, nil
}

// setShape sets the size of reads and how many are in flight. Nothing may be
// being read.
func (d *drive) setShape(s Shape) error {
	if err := d.stop(); err != nil {
		return err
	}
	d.chunk = s.Chunk
	d.work = make(chan piece)
	for range s.Depth {
		buf, err := limits.NewBuffer(int(s.Chunk) + 2*sector)
		if err != nil {
			return err
		}
		d.bufs = append(d.bufs, buf)
		d.done.Go(func() {
			for p := range d.work {
				p.of.finish(d.read(p, buf))
			}
		})
	}
	return nil
}

// stop ends the reads in flight.
func (d *drive) stop() error {
	if d.work != nil {
		close(d.work)
		d.done.Wait()
		d.work = nil
	}
	var errs []error
	for _, b := range d.bufs {
		errs = append(errs, unix.Munmap(b))
	}
	d.bufs = nil
	return errors.Join(errs...)
}

func (d *drive) close() error {
	errs := []error{d.stop()}
	for _, fd := range d.fds {
		errs = append(errs, unix.Close(fd))
	}
	return errors.Join(errs...)
}

// readExpert reads the extents of expert e.
func (d *drive) readExpert(e int) error {
	of := new(pending)
	for _, x := range d.m.view(e).Extents() {
		d.readExtent(x, of)
	}
	of.Wait()
	return of.err
}

func (d *drive) readExtent(x checkpoint.Extent, of *pending) {
	for off := x.Off; off < x.Off+x.Len; off += d.chunk {
		of.Add(1)
		d.work <- piece{x.File, off, min(d.chunk, x.Off+x.Len-off), of}
	}
}

// read reads the sectors that hold a piece.
func (d *drive) read(p piece, buf []byte) error {
	from := p.off / sector * sector
	to := (p.off + p.len + sector - 1) / sector * sector
	n, err := unix.Pread(d.fds[p.file], buf[:to-from], from)
	for err == unix.EINTR {
		n, err = unix.Pread(d.fds[p.file], buf[:to-from], from)
	}
	if err == nil && int64(n) < p.off+p.len-from {
		err = fmt.Errorf("read of %d bytes at %d gave %d", to-from, from, n)
	}
	if d.touch {
		Sum(buf[:max(n, 0)])
	}
	return err
}

// finish ends one piece of an expert.
func (p *pending) finish(err error) {
	p.mu.Lock()
	p.err = errors.Join(p.err, err)
	p.mu.Unlock()
	p.Done()
}

// Shape is a way of asking a drive.
type Shape struct {
	Chunk int64 `json:"read_bytes"` // of the largest read
	Depth int   `json:"in_flight"`  // reads
}

func (s Shape) String() string { return fmt.Sprintf("%d x %d KiB", s.Depth, s.Chunk>>10) }

// shapes are those that the best is looked for among. Few and small reads win
// where latency is low, as their buffers stay in the processor's caches.
var shapes = func() (all []Shape) {
	for _, chunk := range []int64{256 << 10, 512 << 10, 1 << 20, 2 << 20} {
		for _, depth := range []int{1, 2, 4, 8, 16} {
			all = append(all, Shape{chunk, depth})
		}
	}
	return all
}()
