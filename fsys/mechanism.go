package fsys

import "github.com/hanwen/go-fuse/v2/fuse"

// Mechanism is how reads of experts and dense files are answered; see the
// package comment.
type Mechanism string

const (
	Passthrough Mechanism = "passthrough"
	Direct      Mechanism = "direct"
	Cached      Mechanism = "cached"
)

// openFlags are the flags of an open that is not passed through: either all
// such opens of a mount go through the page cache or none does, so that the
// kernel never meets two modes on one inode.
func (m Mechanism) openFlags() uint32 {
	if m == Cached {
		return fuse.FOPEN_NOFLUSH
	}
	return fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH
}

// chooseMechanism returns the best mechanism that the kernel and the options
// allow, and why it is not a better one.
func chooseMechanism(kernel registrar, offered uint64, o Options) (m Mechanism, why string) {
	switch {
	case o.Mechanism == Cached:
		return Cached, "asked for"
	case offered&fuse.CAP_DIRECT_IO_ALLOW_MMAP == 0:
		return Cached, "this kernel cannot map files opened for direct I/O (Linux 6.6 and later can)"
	case o.Mechanism == Direct || o.Backings == nil:
		return Direct, "asked for"
	}
	if err := probePassthrough(kernel, offered); err != nil {
		return Direct, err.Error()
	}
	return Passthrough, ""
}
