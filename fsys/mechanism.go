package fsys

import (
	"expertfs"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// openFlags are the flags of an open that is not passed through: either all
// such opens of a mount go through the page cache or none does, so that the
// kernel never meets two modes on one inode.
func openFlags(m expertfs.Mechanism) uint32 {
	if m == expertfs.Cached {
		return fuse.FOPEN_NOFLUSH
	}
	return fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH
}

// chooseMechanism returns the best mechanism that the kernel allows, or a poorer one
// that is asked for, and why it is not a better one.
func chooseMechanism(kernel registrar, offered uint64, asked expertfs.Mechanism) (m expertfs.Mechanism, why string) {
	switch {
	case asked == expertfs.Cached:
		return expertfs.Cached, "asked for"
	case offered&fuse.CAP_DIRECT_IO_ALLOW_MMAP == 0:
		return expertfs.Cached, "this kernel cannot map files opened for direct I/O (Linux 6.6 and later can)"
	case asked == expertfs.Direct:
		return expertfs.Direct, "asked for"
	}
	if err := probePassthrough(kernel, offered); err != nil {
		return expertfs.Direct, err.Error()
	}
	return expertfs.Passthrough, ""
}
