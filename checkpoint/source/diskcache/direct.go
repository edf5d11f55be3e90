package diskcache

import (
	"context"
	"fmt"
	"unsafe"

	"expertfs/checkpoint/source"

	"golang.org/x/sys/unix"
)

// bulk reads what is here past the page cache.
type bulk struct {
	handle
	fd     int
	memory int64 // that addresses are multiples of
}

// Bulk implements source.Source. Where O_DIRECT is refused, or nothing can be kept,
// reads go through the page cache.
func (h *handle) Bulk() (source.Source, error) {
	f := h.file
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened++
	plain := &handle{file: f}
	d, err := f.open()
	if err != nil {
		return plain, nil // all of it comes over the network
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", d.Fd()), unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		return plain, nil // refused
	}
	offset, memory := source.DirectAlign(fd)
	if offset > block {
		return plain, unix.Close(fd) // what is around a range may not be there
	}
	return &bulk{*plain, fd, memory}, nil
}

func (b *bulk) Align() (offset, memory int64) { return block, b.memory }
func (b *bulk) Mechanism() string             { return "O_DIRECT from the cache, else network" }

// Bulk implements source.Source.
func (b *bulk) Bulk() (source.Source, error) { return b.handle.Bulk() }

func (b *bulk) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	aligned := off%block == 0 && len(p)%block == 0 && len(p) > 0 && int64(uintptr(unsafe.Pointer(&p[0])))%b.memory == 0
	if !aligned {
		return b.handle.ReadAt(ctx, p, off)
	}
	return b.file.read(ctx, p, off, false, func() (int, error) {
		for {
			n, err := unix.Pread(b.fd, p, off)
			if err != unix.EINTR {
				return max(n, 0), err
			}
		}
	})
}

func (b *bulk) Close() error {
	_ = b.handle.Close() // counts
	fd := b.fd
	b.fd = -1 // the number is soon somebody else's
	if fd < 0 {
		return nil
	}
	return unix.Close(fd)
}
