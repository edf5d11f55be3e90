package fsys

import (
	"errors"

	"expertfs/tiers"
	"expertfs/tiers/ram"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// openDense opens a dense file, in RAM as a rule. Read straight from the drive are
// the embedding, of which readers want few rows; files opened with O_DIRECT that
// are not in RAM, because who does that reads them once, to make something else
// of them; and those that the bound on dense files, or the memory, has no room for.
func (f *FS) openDense(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut, d tiers.Dense) fuse.Status {
	id := nodeID(in.NodeId)
	straight := d == tiers.Embedding || in.Flags&unix.O_DIRECT != 0
	for {
		if straight {
			r, err := f.cache.ReadDense(d)
			if err != nil {
				return f.status(err)
			}
			if f.unpassed.addUnless(id, func() bool { return f.cache.DenseInRAM(d) }) {
				f.openUnpassed(readerFile{r, f.tree.size(id)}, id, out)
				return fuse.OK
			}
		}
		ctx := newFatalContext(cancel, in.Pid)
		h, err := f.cache.OpenDense(ctx, d)
		ctx.stop()
		switch {
		case errors.Is(err, tiers.ErrCrowded), !straight && errors.As(err, new(*ram.ShortageError)):
			straight = true
		case err != nil:
			return f.status(err)
		default:
			f.openSlot(h, id, out)
			return fuse.OK
		}
	}
}

// openRounded opens a dense file with rounded matrices. It is in RAM or not to be
// had: who maps it would make it anew with every page that is read.
func (f *FS) openRounded(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut, d tiers.Dense) fuse.Status {
	ctx := newFatalContext(cancel, in.Pid)
	h, err := f.cache.OpenDense(ctx, d)
	ctx.stop()
	switch {
	case errors.Is(err, tiers.ErrCrowded):
		return fuse.Status(unix.ENOMEM)
	case err != nil:
		return f.status(err)
	}
	f.openSlot(h, nodeID(in.NodeId), out)
	return fuse.OK
}
