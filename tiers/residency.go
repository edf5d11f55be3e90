package tiers

import (
	"errors"
	"os"

	"expertfs"

	"golang.org/x/sys/unix"
)

// residency is the page that shows readers which experts are in RAM: a sealed file
// in memory, which they can map for reading alone. A nil residency shows nothing.
type residency struct {
	names expertfs.Names
	fd    int
	page  []byte // GUARDED BY guard; readers look at any time
}

// Residency returns the descriptor of the page that expertfs.Residency describes.
// It is the cache's own, until Close; ok is false where the kernel has no such
// memory (Linux before 5.1).
func (c *Cache) Residency() (fd int, ok bool) {
	r := c.table.shown
	if r == nil {
		return -1, false
	}
	return r.fd, true
}

// newResidency makes the page, nil where that is impossible: it is no more than
// advice.
func (c *Cache) newResidency() *residency {
	r, err := makeResidency(expertfs.Names{Layers: c.shape.Layers, Experts: c.shape.Experts})
	if err != nil {
		c.log.Warn("readers are not shown which experts are in RAM", "err", err)
		return nil
	}
	return r
}

func makeResidency(names expertfs.Names) (*residency, error) {
	fd, err := unix.MemfdCreate("expertfs-residency", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	r := &residency{names: names, fd: fd}
	if err := unix.Ftruncate(fd, int64(names.ResidencySize())); err != nil {
		return nil, errors.Join(os.NewSyscallError("ftruncate", err), r.close())
	}
	if r.page, err = unix.Mmap(fd, 0, names.ResidencySize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, errors.Join(os.NewSyscallError("mmap", err), r.close())
	}
	// Our mapping stays writable; a reader cannot make another one, nor cut the
	// page short under those who have it mapped.
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_FUTURE_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return nil, errors.Join(os.NewSyscallError("F_ADD_SEALS", err), r.close())
	}
	return r, nil
}

// set shows whether an expert is in RAM. One byte is written whole.
func (r *residency) set(k expertfs.Key, in bool) {
	if r == nil || r.page == nil {
		return
	}
	b := expertfs.NotInMemory
	if in {
		b = expertfs.InMemory
	}
	r.page[r.names.ResidencyAt(k)] = b
}

// says tells whether the page shows an expert as it is.
func (r *residency) says(k expertfs.Key, in bool) bool {
	return r == nil || r.page == nil || (r.page[r.names.ResidencyAt(k)] == expertfs.InMemory) == in
}

func (r *residency) close() (err error) {
	if r == nil {
		return nil
	}
	if r.page != nil {
		err = os.NewSyscallError("munmap", unix.Munmap(r.page))
		r.page = nil
	}
	return errors.Join(err, os.NewSyscallError("close", unix.Close(r.fd)))
}
