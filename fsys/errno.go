package fsys

import (
	"context"
	"errors"

	"expertfs/tiers"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// status makes the errno that a reader is told of an error. The cache has
// counted and logged its own.
func (f *FS) status(err error) fuse.Status {
	var load *tiers.LoadError
	switch {
	case errors.Is(err, context.Canceled):
		return fuse.EINTR
	case errors.Is(err, tiers.ErrBusy):
		return fuse.EBUSY
	case errors.As(err, &load):
		return fuse.Status(load.Errno())
	}
	f.log.Error("a request failed", "err", err)
	return fuse.EIO
}
