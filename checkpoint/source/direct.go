package source

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// sector is the alignment for O_DIRECT where the kernel does not tell it: no
// drive in use asks for more than a page.
const sector = 4096

// Bulk opens the file for reads past the page cache. Where O_DIRECT is refused
// they go through it, and it is told to forget them.
func (l *local) Bulk() (Source, error) {
	fd, err := unix.Open(l.path, unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	direct := err == nil
	if !direct {
		if fd, err = unix.Open(l.path, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return nil, fmt.Errorf("open %s: %w", Printable(l.path), err)
		}
	}
	// What the path names must be what the headers were read from.
	err = l.Check(context.Background())
	if err == nil {
		err = l.pin()
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	if !direct {
		return &bufferedFile{bulk{l, fd}}, nil
	}
	d := &directFile{bulk: bulk{l, fd}}
	d.offset, d.memory = DirectAlign(fd)
	return d, nil
}

// DirectAlign returns the alignment that O_DIRECT asks of reads of a descriptor. Offsets in whole
// pages are never worse than in sectors, so that is the least.
func DirectAlign(fd int) (offset, memory int64) {
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &st)
	if err != nil || st.Mask&unix.STATX_DIOALIGN == 0 || st.Dio_mem_align == 0 {
		return sector, sector
	}
	return max(sector, int64(st.Dio_offset_align)), int64(st.Dio_mem_align)
}

// bulk is a descriptor of its own for a local file.
type bulk struct {
	*local
	fd int
}

func (b *bulk) Close() error {
	fd := b.fd
	b.fd = -1 // the number is soon somebody else's
	if fd < 0 {
		return nil
	}
	return unix.Close(fd)
}

// pread hides interruptions: the Go runtime sends signals to its own threads.
func (b *bulk) pread(p []byte, off int64) (int, error) {
	for {
		n, err := unix.Pread(b.fd, p, off)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// directFile reads past the page cache.
type directFile struct {
	bulk
	offset, memory int64
}

func (d *directFile) Align() (offset, memory int64) { return d.offset, d.memory }
func (d *directFile) Mechanism() string             { return "O_DIRECT" }

func (d *directFile) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	return d.pread(p, off)
}

// bufferedFile reads through the page cache and has it forget what was read.
type bufferedFile struct{ bulk }

func (f *bufferedFile) Mechanism() string { return "buffered, O_DIRECT is refused" }

func (f *bufferedFile) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	n, err := f.pread(p, off)
	_ = unix.Fadvise(f.fd, off, int64(len(p)), unix.FADV_DONTNEED) // only advice
	return n, err
}
