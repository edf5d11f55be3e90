package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// folder is a source of plain files on the drive: what a reader would have
// without expertfs, with the page cache as the only cache.
type folder struct {
	dir  string
	have []int // experts
}

// newFolder makes an empty one below parent.
func newFolder(parent string) (*folder, error) {
	dir, err := os.MkdirTemp(parent, ".expertfs-bench-*")
	if err != nil {
		return nil, err
	}
	return &folder{dir: dir}, nil
}

func (f *folder) path(e int) string { return filepath.Join(f.dir, strconv.Itoa(e)) }

// open implements source.
func (f *folder) open(e int) (opened, error) { return files(f.path).open(e) }

// add writes the file of expert e to the drive.
func (f *folder) add(e int, content []byte) error {
	file, err := os.Create(f.path(e))
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	f.have = append(f.have, e)
	return errors.Join(err, file.Sync(), file.Close())
}

// cool drops the files from the page cache and makes sure that they are gone.
func (f *folder) cool(size int) error {
	for _, e := range f.have {
		file, err := f.open(e)
		if err != nil {
			return err
		}
		err = errors.Join(cool(int(file.Fd()), size), file.Close())
		if err != nil {
			return fmt.Errorf("%s: %w", f.path(e), err)
		}
	}
	return nil
}

func cool(fd, size int) error {
	if err := unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED); err != nil {
		return err
	}
	mem, err := unix.Mmap(fd, 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	pages := make([]byte, (size+os.Getpagesize()-1)/os.Getpagesize())
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&mem[0])), uintptr(size), uintptr(unsafe.Pointer(&pages[0])))
	if err := unix.Munmap(mem); err != nil || errno != 0 {
		return errors.Join(err, errno)
	}
	for _, p := range pages {
		if p&1 != 0 {
			return errors.New("stays in the page cache (is it on a tmpfs?)")
		}
	}
	return nil
}

func (f *folder) close() error { return os.RemoveAll(f.dir) }
