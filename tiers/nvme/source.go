package nvme

import (
	"fmt"
	"io"

	"expertfs/checkpoint"

	"golang.org/x/sys/unix"
)

// Source is a file of the checkpoint. Tests wrap it to make it fail.
type Source interface {
	// ReadAt reads like pread(2): once, and at the end of the file less
	// than len(p) without an error. It is called concurrently.
	ReadAt(p []byte, off int64) (int, error)
	// Name returns the file's name without its folder.
	Name() string
	// Align returns what offsets and lengths of reads must be multiples of,
	// and what the addresses they go to must be; 1 where they need not be.
	Align() (offset, memory int64)
	// Check returns an error unless the file is the one that was mounted.
	Check() error
	// Close is called once, when no read is under way.
	Close() error
}

// sector is the alignment for O_DIRECT where the kernel does not tell it: no
// drive in use asks for more than a page.
const sector = 4096

// Ways to read a file, as Mechanism tells them.
const (
	direct   = "O_DIRECT"
	buffered = "buffered, O_DIRECT is refused"
	embedded = "memory"
)

// openSource opens f in the way that suits it and tells how.
func openSource(f *checkpoint.File) (s Source, how string, err error) {
	if f.Path() == "" {
		return memory{f}, embedded, nil
	}
	fd, err := unix.Open(f.Path(), unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	how = direct
	if err != nil {
		how = buffered
		if fd, err = unix.Open(f.Path(), unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return nil, "", fmt.Errorf("open %s: %w", f.Path(), err)
		}
	}
	// What the path names must be what the headers were read from.
	if err := f.Check(); err != nil {
		unix.Close(fd)
		return nil, "", err
	}
	if how == buffered {
		return &bufferedFile{file{f, fd}}, how, nil
	}
	d := &directFile{file: file{f, fd}}
	d.offset, d.memory = directAlign(fd)
	return d, how, nil
}

// directAlign returns the alignment that O_DIRECT asks for. Offsets in whole
// pages are never worse than in sectors, so that is the least.
func directAlign(fd int) (offset, memory int64) {
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &st)
	if err != nil || st.Mask&unix.STATX_DIOALIGN == 0 || st.Dio_mem_align == 0 {
		return sector, sector
	}
	return max(sector, int64(st.Dio_offset_align)), int64(st.Dio_mem_align)
}

// file is an open file of the checkpoint on a filesystem.
type file struct {
	*checkpoint.File
	fd int
}

func (f *file) Close() error { return unix.Close(f.fd) }

// pread hides interruptions: the Go runtime sends signals to its own threads.
func (f *file) pread(p []byte, off int64) (int, error) {
	for {
		n, err := unix.Pread(f.fd, p, off)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// directFile reads past the page cache.
type directFile struct {
	file
	offset, memory int64
}

func (f *directFile) ReadAt(p []byte, off int64) (int, error) { return f.pread(p, off) }
func (f *directFile) Align() (offset, memory int64)           { return f.offset, f.memory }

// bufferedFile reads through the page cache and has it forget what was read.
type bufferedFile struct{ file }

func (f *bufferedFile) Align() (offset, memory int64) { return 1, 1 }

func (f *bufferedFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.pread(p, off)
	_ = unix.Fadvise(f.fd, off, int64(len(p)), unix.FADV_DONTNEED) // only advice
	return n, err
}

// memory is a file embedded in the program, which the checkpoint closes.
type memory struct{ *checkpoint.File }

func (m memory) Align() (offset, memory int64) { return 1, 1 }
func (m memory) Close() error                  { return nil }

func (m memory) ReadAt(p []byte, off int64) (int, error) {
	n, err := m.File.ReadAt(p, off)
	if err == io.EOF {
		err = nil
	}
	return n, err
}
