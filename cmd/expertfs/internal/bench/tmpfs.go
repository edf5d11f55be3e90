package bench

import (
	"errors"
	"fmt"
	"strconv"

	"expertfs/tiers/ram"

	"golang.org/x/sys/unix"
)

// tmpfs is a source in a plain tmpfs that is mounted nowhere, on huge pages
// where the system has them: the same memory as the mount's RAM tier, without
// FUSE between it and the reader.
type tmpfs struct{ mount int }

// newTmpfs makes one with room for n files. It needs the right to mount.
func newTmpfs(n, size int) (*tmpfs, error) {
	room := int64(n) * (int64(size) + hugePage)
	mount, err := ram.DetachedTmpfs("within_size", room)
	if errors.Is(err, unix.EINVAL) { // this kernel has no huge pages
		mount, err = ram.DetachedTmpfs("", room)
	}
	if err != nil {
		return nil, fmt.Errorf("tmpfs of %d bytes: %w", room, err)
	}
	return &tmpfs{mount}, nil
}

// hugePage is what a file may take beside its length.
const hugePage = 2 << 20

// open implements source.
func (t *tmpfs) open(e int) (opened, error) {
	fd, err := unix.Openat(t.mount, strconv.Itoa(e), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("tmpfs file: %w", err)
	}
	return descriptor(fd), nil
}

// add writes the file of expert e, through a mapping as the RAM tier does.
func (t *tmpfs) add(e int, content []byte) error {
	fd, err := unix.Openat(t.mount, strconv.Itoa(e), unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, int64(len(content))); err != nil {
		return err
	}
	if err := unix.Fallocate(fd, 0, 0, int64(len(content))); err != nil {
		return err
	}
	mem, err := unix.Mmap(fd, 0, len(content), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	copy(mem, content)
	return unix.Munmap(mem)
}

// close gives the memory back.
func (t *tmpfs) close() error { return unix.Close(t.mount) }
