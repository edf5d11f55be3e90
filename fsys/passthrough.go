package fsys

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"expertfs/checkpoint"
	"expertfs/tiers"
	"expertfs/tiers/ram"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// backings registers the slots of a RAM tier with the kernel, so that opens can
// be answered with passthrough to them. Each slot is registered once, when it
// is made, and keeps its id for life: the kernel then never sees two backing
// files for an inode at a time, and opening costs no further system call.
//
// It is made before the cache, which tells it of slots, and gets the FUSE
// connection at the mount. Its methods may be called concurrently.
type backings struct {
	mu     sync.Mutex
	kernel registrar // nil before the mount, and without passthrough
	slots  map[*ram.Slot]struct{}
	log    *slog.Logger
	failed int64 // slots that could not be registered
	warned map[unix.Errno]bool
}

// registrar is the part of *fuse.Server that keeps backing files.
type registrar interface {
	RegisterBackingFd(*fuse.BackingMap) (int32, unix.Errno)
	UnregisterBackingFd(int32) unix.Errno
}

// Cache is a cache whose slots can be registered with the kernel. A mount takes no
// other, so that passthrough is not lost for want of a word between the two.
type Cache struct {
	*tiers.Cache
	backings *backings
}

// NewCache makes the cache of a mount. o.SlotHook is set here.
func NewCache(ck *checkpoint.Checkpoint, o tiers.Options) (*Cache, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b := newBackings(o.Log)
	o.SlotHook = b
	c, err := tiers.New(ck, o)
	if err != nil {
		return nil, err
	}
	return &Cache{c, b}, nil
}

// newBackings returns a registry that is not connected to a mount yet.
func newBackings(log *slog.Logger) *backings {
	return &backings{slots: make(map[*ram.Slot]struct{}), log: log, warned: make(map[unix.Errno]bool)}
}

// Born takes a new slot in. It must be called before anybody can open it.
func (b *backings) Born(s *ram.Slot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slots[s] = struct{}{}
	if b.kernel != nil {
		b.register(s)
	}
}

// Dead forgets a slot that is about to be closed. Readers that have it open or
// mapped keep it.
func (b *backings) Dead(s *ram.Slot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.slots, s)
	if b.kernel != nil && s.BackingID != 0 {
		b.kernel.UnregisterBackingFd(s.BackingID)
		s.BackingID = 0
	}
}

// register gives s a backing id, or leaves it without: then its reads are
// answered by this program, which is slower and no less right.
func (b *backings) register(s *ram.Slot) {
	id, errno := b.kernel.RegisterBackingFd(&fuse.BackingMap{Fd: int32(s.Fd())})
	if errno == 0 {
		s.BackingID = id
		return
	}
	b.failed++
	if !b.warned[errno] {
		b.warned[errno] = true
		b.log.Warn("a slot has no passthrough: reads of it are answered by the daemon", "err", errno)
	}
}

// connect begins to register slots, those that exist already included.
func (b *backings) connect(kernel registrar) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kernel = kernel
	for s := range b.slots {
		b.register(s)
	}
}

// disconnect ends registering, when the connection is gone and all ids with it.
func (b *backings) disconnect() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kernel = nil
	for s := range b.slots {
		s.BackingID = 0
	}
}

// failures is the number of slots that could not be registered.
func (b *backings) failures() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed
}

// NeedsPrivilege is why a mount of a plain user has no passthrough.
const NeedsPrivilege = "FUSE passthrough needs CAP_SYS_ADMIN"

// probePassthrough tells why the kernel would not pass reads through to a file
// in memory, nil if it would.
func probePassthrough(kernel registrar, offered uint64) error {
	if offered&fuse.CAP_PASSTHROUGH == 0 {
		return errors.New("this kernel has no FUSE passthrough (Linux 6.9 and later have it)")
	}
	fd, err := unix.MemfdCreate("expertfs-probe", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("memfd_create: %w", err)
	}
	defer unix.Close(fd)
	id, errno := kernel.RegisterBackingFd(&fuse.BackingMap{Fd: int32(fd)})
	switch errno {
	case 0:
		kernel.UnregisterBackingFd(id)
		return nil
	case unix.EPERM:
		return errors.New(NeedsPrivilege)
	}
	return fmt.Errorf("the kernel refuses backing files: %w", errno)
}
