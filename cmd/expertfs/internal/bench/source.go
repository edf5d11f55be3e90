package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"expertfs"
	"expertfs/cmd/internal/limits"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// source is a set of files that hold the same experts somewhere: in the mount,
// in a plain tmpfs, in a folder on the drive.
type source interface {
	// open opens the file of expert e for reading.
	open(e int) (opened, error)
}

// opened is an open file.
type opened interface {
	Fd() uintptr
	Close() error
}

// descriptor is an open file of the operating system.
type descriptor int

func (d descriptor) Fd() uintptr  { return uintptr(d) }
func (d descriptor) Close() error { return unix.Close(int(d)) }

// socket is a source of descriptors from the mount's socket.
type socket struct {
	m      *Mount
	opener *expertfs.Opener
}

func (s socket) open(e int) (opened, error) { return s.opener.Open(s.m.key(e)) }

// files is a source whose files have paths.
type files func(e int) string

func (f files) open(e int) (opened, error) {
	fd, err := unix.Open(f(e), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f(e), err)
	}
	return descriptor(fd), nil
}

// blockSize is what programs that copy files read at once.
const blockSize = 1 << 20

// reader is a thread of reading. Its buffers are on huge pages where there are any.
type reader struct {
	size  int    // of an expert, in bytes
	mem   []byte // that of both buffers
	buf   []byte // of an expert's size
	block []byte // of blockSize
}

func newReader(size int) (*reader, error) {
	mem, err := limits.NewBuffer(blockSize + size)
	if err != nil {
		return nil, fmt.Errorf("memory for a reader: %w", err)
	}
	return &reader{size, mem, mem[blockSize:][:size], mem[:blockSize]}, nil
}

func (r *reader) close() error { return unix.Munmap(r.mem) }

// openClose opens and closes a file.
func (r *reader) openClose(s source, e int) error {
	f, err := s.open(e)
	if err != nil {
		return err
	}
	return f.Close()
}

// readMapped maps a file, reads all of it and returns its sum.
func (r *reader) readMapped(s source, e int) (uint64, error) {
	f, err := s.open(e)
	if err != nil {
		return 0, err
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, r.size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		f.Close()
		return 0, fmt.Errorf("mmap: %w", err)
	}
	sum := Sum(mem)
	return sum, errors.Join(unix.Munmap(mem), f.Close())
}

// pread reads a file whole by pread(2), which copies and so touches all of it,
// into a buffer that is filled again and again if it is the smaller one. Each
// part is handed to got, if that is not nil.
func (r *reader) pread(s source, e int, buf []byte, got func(part []byte)) error {
	f, err := s.open(e)
	if err != nil {
		return err
	}
	for off := 0; off < r.size && err == nil; off += len(buf) {
		part := buf[:min(len(buf), r.size-off)]
		if err = preadFull(int(f.Fd()), part, int64(off)); err == nil && got != nil {
			got(part)
		}
	}
	return errors.Join(err, f.Close())
}

// preadFull fills p from a file, by one call of pread(2) unless that is cut short.
func preadFull(fd int, p []byte, off int64) error {
	for len(p) > 0 {
		n, err := unix.Pread(fd, p, off)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("file ends at byte %d: %w", off, io.ErrUnexpectedEOF)
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// readers are those that work at the same time.
type readers []*reader

func newReaders(n, size int) (readers, error) {
	var all readers
	for range n {
		r, err := newReader(size)
		if err != nil {
			return nil, errors.Join(err, all.close())
		}
		all = append(all, r)
	}
	return all, nil
}

func (rs readers) close() error {
	var errs []error
	for _, r := range rs {
		errs = append(errs, r.close())
	}
	return errors.Join(errs...)
}

// round has the readers use each expert once, and adds the time to a measure:
// of every use if there is one reader, else of the round divided by the uses.
func (rs readers) round(ctx context.Context, experts []int, to *Measure, do func(r *reader, e int) error) error {
	queue := make(chan int, len(experts))
	for _, e := range experts {
		queue <- e
	}
	close(queue)
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for _, r := range rs {
		group.Go(func() error {
			for e := range queue {
				if err := ctx.Err(); err != nil {
					return err
				}
				one := time.Now()
				if err := do(r, e); err != nil {
					return err
				}
				if len(rs) == 1 {
					to.Times = append(to.Times, time.Since(one))
				}
			}
			return nil
		})
	}
	err := group.Wait()
	if len(rs) > 1 {
		to.Times = append(to.Times, time.Since(began)/time.Duration(len(experts)))
	}
	return err
}
