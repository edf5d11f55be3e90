package mapped

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is the size that one page-table entry of the second level maps.
const hugePage = 2 << 20

// File is a whole file, mapped read-only, and still open: on a mount that is what
// tells the server that the bytes are used.
type File struct {
	Path string
	Data []byte // the file's bytes, valid until Close

	open  Open
	span  span
	arena *Arena
}

// Open is an open file.
type Open interface {
	Fd() uintptr
	Close() error
}

// descriptor is an open file of the operating system.
type descriptor int

func (d descriptor) Fd() uintptr  { return uintptr(d) }
func (d descriptor) Close() error { return unix.Close(int(d)) }

// span is a piece of reserved address space.
type span struct {
	base unsafe.Pointer
	size uintptr
}

// Arena hands out address ranges that start at a multiple of 2 MiB and reuses
// them. The kernel maps a file by huge pages only where address and offset are
// both multiples of 2 MiB, which it does not arrange by itself for files of
// every filesystem; reserving the addresses once also makes mapping and
// unmapping an expert one system call each. Safe for concurrent use.
type Arena struct {
	mu   sync.Mutex
	free map[uintptr][]span // by size
}

// NewArena returns an arena without any range.
func NewArena() *Arena { return &Arena{free: make(map[uintptr][]span)} }

// take returns an unused range of size bytes (a multiple of 2 MiB).
func (a *Arena) take(size uintptr) (span, error) {
	a.mu.Lock()
	if list := a.free[size]; len(list) > 0 {
		s := list[len(list)-1]
		a.free[size] = list[:len(list)-1]
		a.mu.Unlock()
		return s, nil
	}
	a.mu.Unlock()
	base, err := unix.MmapPtr(-1, 0, nil, size+hugePage, unix.PROT_NONE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return span{}, fmt.Errorf("reserve %d bytes of address space: %w", size, err)
	}
	skip := -uintptr(base) % hugePage
	s := span{unsafe.Add(base, skip), size}
	before, after := span{base, skip}, span{unsafe.Add(s.base, size), hugePage - skip}
	return s, errors.Join(before.unmap(), after.unmap())
}

// give puts s back after replacing whatever is mapped there by nothing.
func (a *Arena) give(s span) error {
	_, err := unix.MmapPtr(-1, 0, s.base, s.size, unix.PROT_NONE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE|unix.MAP_FIXED)
	if err != nil {
		return fmt.Errorf("unmap: %w", err)
	}
	a.mu.Lock()
	a.free[s.size] = append(a.free[s.size], s)
	a.mu.Unlock()
	return nil
}

// Close gives the unused ranges back to the system. Files that are still mapped
// keep theirs.
func (a *Arena) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []error
	for _, list := range a.free {
		for _, s := range list {
			all = append(all, s.unmap())
		}
	}
	clear(a.free)
	return errors.Join(all...)
}

// unmap gives s, which may be empty, back to the system.
func (s span) unmap() error {
	if s.size == 0 {
		return nil
	}
	if err := unix.MunmapPtr(s.base, s.size); err != nil {
		return fmt.Errorf("unmap %d bytes of address space: %w", s.size, err)
	}
	return nil
}

// Map opens and maps the file at path and brings all of it into the page tables,
// so that a failure to read it shows here and not later as a fault. On a mount the
// call returns when the file's bytes are in RAM.
func (a *Arena) Map(path string) (*File, error) {
	fd, err := openRetry(path)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return a.MapOpen(descriptor(fd), path)
}

// MapOpen is Map for a file that is open already. It is the File's then, and closed
// also after an error. Path is for messages.
func (a *Arena) MapOpen(open Open, path string) (*File, error) {
	m, err := a.mapDescriptor(int(open.Fd()))
	if err != nil {
		open.Close()
		return nil, &os.PathError{Op: "map", Path: path, Err: err}
	}
	m.Path, m.open = path, open
	return m, nil
}

// openRetry opens path for reading; a signal (the runtime sends them) may
// interrupt an open that waits for an expert to load.
func openRetry(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

func (a *Arena) mapDescriptor(fd int) (*File, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("not a regular file")
	}
	if st.Size <= 0 || st.Size > 1<<46 {
		return nil, fmt.Errorf("%d bytes is no size for a tensor file", st.Size)
	}
	size := (uintptr(st.Size) + hugePage - 1) &^ (hugePage - 1)
	s, err := a.take(size)
	if err != nil {
		return nil, err
	}
	// The range is mapped to a multiple of 2 MiB, past the end of the file:
	// otherwise the last huge page would be mapped by small ones. If that fails the
	// range must not be given back: the kernel may have unmapped it before it asked
	// the filesystem, and another thread may have mapped something else there.
	if _, err := unix.MmapPtr(fd, 0, s.base, size, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
		return nil, err
	}
	m := &File{Data: unsafe.Slice((*byte)(s.base), st.Size), span: s, arena: a}
	if err := m.populate(); err != nil {
		return nil, errors.Join(err, a.give(s))
	}
	return m, nil
}

// populate reads what is not in memory yet and enters it into the page tables.
// It is a system call, so other goroutines run while the drive works.
func (m *File) populate() error {
	for {
		err := unix.Madvise(m.Data, unix.MADV_POPULATE_READ)
		switch err {
		case nil, unix.EINVAL: // kernels before 5.14 do not know the advice
			return nil
		case unix.EINTR, unix.EAGAIN:
			continue
		case unix.EFAULT:
			return fmt.Errorf("a page cannot be read (%w)", unix.EIO)
		}
		return err
	}
}

// Refresh brings pages back that the kernel dropped since the file was mapped, which
// it does with plain files. Those of a mount stay.
func (m *File) Refresh() error {
	if err := m.populate(); err != nil {
		return fmt.Errorf("%s: %w", m.Path, err)
	}
	return nil
}

// Close unmaps the file and closes it.
func (m *File) Close() error {
	err := m.arena.give(m.span)
	if cerr := m.open.Close(); err == nil {
		err = cerr
	}
	return err
}
