package tiers

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Errors of opens. Failed loads are a *LoadError.
var (
	ErrBusy = errors.New("readers hold every slot of the RAM tier")
	// ErrCrowded is an ErrBusy of a reader that holds less than its part: others
	// are in its way. ReadExpert and ReadDense serve it from the drive.
	ErrCrowded = fmt.Errorf("%w, and this one holds few", ErrBusy)
	ErrClosed  = errors.New("the RAM tier is closed")
	ErrRange   = errors.New("the model has no such file")
)

// LoadError is a file that could not be loaded. The next open tries again.
type LoadError struct {
	Name string // "layer 3 expert 7"
	Err  error  // an *nvme.ReadError, what has become of a file, or a shortage
}

func (e *LoadError) Error() string { return fmt.Sprintf("load %s: %v", e.Name, e.Err) }
func (e *LoadError) Unwrap() error { return e.Err }

// Errno returns what a reader should be told: ENOMEM when memory or descriptors
// are short, which passes, and EIO for all that is wrong with the drive.
func (e *LoadError) Errno() syscall.Errno {
	if short(e.Err) {
		return unix.ENOMEM
	}
	return unix.EIO
}

// short tells whether an error is a shortage of memory or descriptors.
func short(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	switch errno {
	case unix.ENOMEM, unix.ENOSPC, unix.EMFILE, unix.ENFILE:
		return true
	}
	return false
}

// errnoName is the name an error is counted under.
func errnoName(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		errno = unix.EIO
	}
	if name := unix.ErrnoName(errno); name != "" {
		return name
	}
	return errno.Error()
}
