package fsys

import (
	"syscall"

	"expertfs/fsys/handout"
)

// listen makes the socket that hands descriptors out. A mount does without where
// there is no place for it.
func (f *FS) listen() {
	server, err := handout.Listen(handout.Options{
		Names:      f.tree.Names,
		AllowOther: f.options.AllowOther,
		Reader:     f.reader,
		Errno:      func(err error) syscall.Errno { return syscall.Errno(f.status(err)) },
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

// reader returns the reader that a process is.
func (f *FS) reader(int) (handout.Reader, func()) { return f.cache.Shared(), func() {} }

// hangUp ends the socket, and what readers have pinned by it.
func (f *FS) hangUp() {
	if f.handout != nil {
		f.handout.Close()
	}
}
