package ram

import (
	"errors"
	"fmt"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// ShortageError is a slot that could not be made for lack of something that
// may be there later: room in the tier, memory, or descriptors.
type ShortageError struct {
	Size int64         // of the slot, in bytes
	Err  syscall.Errno // ENOSPC, ENOMEM, EMFILE or ENFILE
}

func (e *ShortageError) Error() string {
	return fmt.Sprintf("no room for %d bytes in RAM: %s", e.Size, e.lack())
}

func (e *ShortageError) Unwrap() error { return e.Err }

// lack names what is short, and the remedy where there is one.
func (e *ShortageError) lack() string {
	switch e.Err {
	case unix.ENOSPC:
		return "the slots take all that the tier may"
	case unix.EMFILE:
		return "this process may open no more files (raise its limit: ulimit -n, LimitNOFILE=)"
	case unix.ENFILE:
		return "the system may open no more files (raise fs.file-max)"
	}
	return "out of memory"
}

// shortages are the errnos of calls that fail for lack of something.
var shortages = []syscall.Errno{unix.ENOSPC, unix.ENOMEM, unix.EMFILE, unix.ENFILE}

// slotError makes the error of NewSlot.
func slotError(size int64, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) && slices.Contains(shortages, errno) {
		return &ShortageError{size, errno}
	}
	return fmt.Errorf("slot of %d bytes in RAM: %w", size, err)
}
