package fsys

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"expertfs/fsys/handout"
	"expertfs/tiers"

	"golang.org/x/sys/unix"
)

// listen makes the socket that hands descriptors out. A mount does without where
// there is no place for it.
func (f *FS) listen() {
	server, err := handout.Listen(handout.Options{
		Names:      f.tree.Names,
		AllowOther: f.options.AllowOther,
		Reader:     f.reader,
		Dense:      f.handOutDense,
		Errno:      f.socketErrno,
		Residency:  f.cache.Residency,
		Log:        f.log,
	})
	if err != nil {
		f.noSocket = err.Error()
		f.log.Warn("readers get no descriptors by a socket, only files", "err", err)
		return
	}
	f.handout, f.tree.socket = server, server.Path()
	server.Serve()
}

// reader returns the reader that a process is, until it ends.
func (f *FS) reader(pid int) handout.Reader { return f.readers.of(uint32(pid)) }

// handOutDense opens a rounded dense file for the socket.
func (f *FS) handOutDense(ctx context.Context, d tiers.Dense) (*tiers.Handle, error) {
	h, err := f.cache.OpenDense(ctx, d)
	if errors.Is(err, tiers.ErrCrowded) {
		err = fmt.Errorf("%w: %w", unix.ENOMEM, err) // it is in RAM or not to be had
	}
	return h, err
}

// socketErrno is what a reader at the socket is told: EAGAIN when an expert's
// file would be served from the drive, as there is no slot to hand out.
func (f *FS) socketErrno(err error) syscall.Errno {
	switch {
	case errors.Is(err, unix.ENOMEM):
		return unix.ENOMEM
	case errors.Is(err, tiers.ErrCrowded):
		return unix.EAGAIN
	}
	return syscall.Errno(f.status(err))
}

// hangUp ends the socket, and what readers have pinned by it.
func (f *FS) hangUp() {
	if f.handout != nil {
		f.handout.Close()
	}
}
