package ram

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Slot is a file in RAM that is written once, mapped into this process for its
// whole life. Its memory is allocated before anybody writes, so that writing to
// Bytes cannot fail (a write to a page that cannot be had is SIGBUS).
//
// Whoever makes a slot fills Bytes, calls Seal, and only then lets readers
// have it. The room of a sealed slot is used again by closing it and making
// another.
type Slot struct {
	// BackingID is the FUSE passthrough id of Fd, 0 for none. It is set by
	// whoever serves the slot before anybody else knows the slot.
	BackingID int32

	tier      *Tier
	fd        int
	mem       []byte
	allocated int64
	id        FileID
	sealed    bool
}

// NewSlot makes a slot of exactly size bytes: with passthrough the kernel
// shows the reader the slot's length, not the one FUSE has told. It fails with
// a *ShortageError where the tier's limit, memory or descriptors do not suffice.
func (t *Tier) NewSlot(size int64) (*Slot, error) {
	s, err := t.Prepare(size)
	if err != nil {
		return nil, err
	}
	if err := s.Allocate(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Prepare is the part of NewSlot that takes no memory: Bytes has an address, and
// is not to be touched before Allocate. It is for those who have to free the memory
// first and have something else to do meanwhile.
func (t *Tier) Prepare(size int64) (*Slot, error) {
	s := &Slot{tier: t, fd: -1}
	if err := s.make(size); err != nil {
		s.Close()
		return nil, slotError(size, err)
	}
	return s, nil
}

// Allocate is the rest of NewSlot: a slot that was prepared gets its memory. It
// is closed by its owner also after an error.
func (s *Slot) Allocate() error {
	for wait := firstWait; ; wait *= 2 {
		err := s.allocate()
		if err == nil {
			s.tier.allocated.Add(s.allocated)
			return nil
		}
		if !errors.Is(err, unix.ENOSPC) || wait > lastWait || !s.tier.freeing() {
			return slotError(s.Size(), err)
		}
		time.Sleep(wait)
	}
}

// How long Allocate waits for memory that is being freed: 25 ms in all.
const (
	firstWait = 100 * time.Microsecond
	lastWait  = 12800 * time.Microsecond
)

// freeing tells whether a slot was closed whose memory is not free yet. The kernel
// says that a file is open nowhere a moment before it lets go of it, when that is
// done by another process, which may have been stopped just then.
func (t *Tier) freeing() bool {
	used, err := t.Used()
	return err == nil && used > t.allocated.Load()
}

func (s *Slot) make(size int64) (err error) {
	if s.tier.mount >= 0 {
		s.fd, err = newTmpfsFile(s.tier.mount)
	} else {
		s.fd, err = newMemfd()
	}
	if err != nil {
		return err
	}
	// The length comes first: huge=within_size looks at it.
	if err := unix.Ftruncate(s.fd, size); err != nil {
		return err
	}
	if s.mem, err = unix.Mmap(s.fd, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	return nil
}

func (s *Slot) allocate() error {
	if err := fallocate(s.fd, s.Size()); err != nil {
		return err
	}
	if s.tier.mount < 0 {
		// A mapping of pages that are cut off is SIGBUS.
		if err := addSeals(s.fd, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW); err != nil {
			return err
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(s.fd, &st); err != nil {
		return err
	}
	s.id = FileID{st.Dev, st.Ino}
	s.allocated = st.Blocks * 512
	return nil
}

// fallocate repeats what a signal interrupted: the Go runtime sends signals to
// its own threads, and the kernel undoes a half-done allocation.
func fallocate(fd int, size int64) error {
	for {
		if err := unix.Fallocate(fd, 0, 0, size); err != unix.EINTR {
			return err
		}
	}
}

// FileID is what tells a file from all others of this machine.
type FileID struct{ Dev, Ino uint64 }

// ID tells the slot's file, as the mappings in /proc show it.
func (s *Slot) ID() FileID { return s.id }

// Fd returns the slot's descriptor. It stays the slot's own.
func (s *Slot) Fd() int { return s.fd }

// Bytes returns the slot's memory. It is valid until Close, and must not be
// written to after Seal: that is SIGSEGV.
func (s *Slot) Bytes() []byte { return s.mem }

// Seal makes the contents final. It must be called before anybody else gets the
// slot to see.
func (s *Slot) Seal() error {
	s.sealed = true // from here on it is not to be written to, whatever fails
	if err := unix.Mprotect(s.mem, unix.PROT_READ); err != nil {
		return fmt.Errorf("make a slot read-only: %w", err)
	}
	if s.tier.mount < 0 {
		if err := addSeals(s.fd, unix.F_SEAL_FUTURE_WRITE|unix.F_SEAL_SEAL); err != nil {
			return err
		}
	} else if err := unix.Fchmod(s.fd, 0o400); err != nil {
		// Files of a tmpfs cannot be sealed. A reader that is handed a read-only
		// descriptor does not get one for writing by opening it once more.
		return fmt.Errorf("chmod of a slot: %w", err)
	}
	return nil
}

// Sealed tells whether readers may have seen the slot.
func (s *Slot) Sealed() bool { return s.sealed }

// Size returns the slot's length in bytes.
func (s *Slot) Size() int64 { return int64(len(s.mem)) }

// Allocated returns the memory that the slot takes, in bytes: whole pages.
func (s *Slot) Allocated() int64 { return s.allocated }

// Idle tells whether nobody but this process has the slot open or mapped, so
// that Close frees its memory at once. The answer holds only as long as the
// caller keeps the slot from being opened.
func (s *Slot) Idle() bool { return s.lease() == nil }

// lease takes a write lease and drops it at once.
func (s *Slot) lease() error {
	if _, err := unix.FcntlInt(uintptr(s.fd), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		return err
	}
	_, err := unix.FcntlInt(uintptr(s.fd), unix.F_SETLEASE, unix.F_UNLCK)
	return err
}

// Close gives the slot up. Its memory is free when the last reader is gone.
func (s *Slot) Close() {
	if s.mem != nil {
		_ = unix.Munmap(s.mem) // cannot fail for a mapping of our own
		s.mem = nil
	}
	if s.fd >= 0 {
		_ = unix.Close(s.fd)
		s.fd = -1
	}
	s.tier.allocated.Add(-s.allocated)
	s.allocated = 0
}
