package ram

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Mechanism is the kind of memory that a tier's slots are made of.
type Mechanism int

const (
	HugeTmpfs Mechanism = iota // detached tmpfs with huge pages
	Tmpfs                      // detached tmpfs with 4 KiB pages
	Memfd                      // anonymous files, no limit enforced by the kernel
)

func (m Mechanism) String() string {
	switch m {
	case HugeTmpfs:
		return "tmpfs with huge pages"
	case Tmpfs:
		return "tmpfs"
	default:
		return "memfd"
	}
}

// Options tell how to make a Tier. The zero value asks for the best mechanism
// and no limit.
type Options struct {
	Limit  int64 // bytes the slots may take together; 0 is no limit
	NoHuge bool  // do without huge pages
	Memfd  bool  // do without a tmpfs
}

// Tier is a source of slots. Its methods may be called concurrently.
type Tier struct {
	mechanism Mechanism
	why       string
	mount     int          // descriptor of the detached tmpfs, -1 for memfds
	unlimited bool         // the kernel enforces no limit on it
	allocated atomic.Int64 // bytes of the open slots; the account of memfds
}

// Open makes a tier by the best mechanism that the system allows. It fails
// when not even memfds with write leases are to be had.
func Open(o Options) (*Tier, error) {
	t := &Tier{mechanism: Memfd, why: "asked for", mount: -1}
	if !o.Memfd {
		t.openTmpfs(o)
	}
	err := t.probe()
	if err != nil && t.mount >= 0 {
		// In a user namespace that maps our user id and no group id we may mount
		// a tmpfs, and nobody may make files in it.
		t.Close()
		t.mechanism, t.why = Memfd, fmt.Sprintf("a tmpfs of our own takes no files: %v", err)
		err = t.probe()
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// openTmpfs sets mechanism, why and mount.
func (t *Tier) openTmpfs(o Options) {
	err := t.mountTmpfs(DetachedTmpfs, o)
	if errors.Is(err, unix.EPERM) && helperReady {
		helped := t.mountTmpfs(helperTmpfs, o)
		if helped == nil {
			t.unlimited = true
			t.why = strings.TrimPrefix(t.why+"; without CAP_SYS_ADMIN the kernel enforces no limit and may swap", "; ")
			return
		}
		err = fmt.Errorf("%w; %w", err, helped)
	}
	if err != nil {
		t.why = fmt.Sprintf("no tmpfs of our own: %v", err)
	}
}

// mountTmpfs mounts by a function that is called as DetachedTmpfs is.
func (t *Tier) mountTmpfs(mount func(huge string, limit int64) (int, error), o Options) (err error) {
	huge := !o.NoHuge
	t.why = ""
	switch {
	case o.NoHuge:
		t.why = "huge pages switched off"
	case hugeDenied():
		huge, t.why = false, "the system denies huge pages for shared memory"
	}
	if huge {
		if t.mount, err = mount("within_size", o.Limit); err == nil {
			t.mechanism = HugeTmpfs
			return nil
		} else if errors.Is(err, unix.EPERM) {
			return err
		}
		t.why = "this kernel has no huge pages for tmpfs"
	}
	if t.mount, err = mount("", o.Limit); err == nil {
		t.mechanism = Tmpfs
	}
	return err
}

// hugeDenied tells whether the administrator has switched huge pages off for
// every tmpfs, whatever its mount options say.
func hugeDenied() bool {
	b, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/shmem_enabled")
	return err == nil && strings.Contains(string(b), "[deny]")
}

// probe makes sure of slots and of the lease that guards their reuse.
func (t *Tier) probe() error {
	s, err := t.NewSlot(int64(os.Getpagesize()))
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.lease(); err != nil {
		return fmt.Errorf("write leases, which tell whether a reader still maps an expert, do not work here (is fs.leases-enable 0?): %w", err)
	}
	return nil
}

// Mechanism tells what slots are made of, and why not of something better
// ("" for the best).
func (t *Tier) Mechanism() (m Mechanism, why string) { return t.mechanism, t.why }

// Used returns the bytes that slots take: by the kernel's account of the
// tmpfs, where there is one.
func (t *Tier) Used() (int64, error) {
	if t.mount < 0 {
		return t.allocated.Load(), nil
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(t.mount, &st); err != nil {
		return 0, fmt.Errorf("statfs of the RAM tier: %w", err)
	}
	return int64(st.Blocks-st.Bfree) * st.Bsize, nil
}

// SetLimit changes the bytes that the slots may take together. The kernel
// refuses (EINVAL) a limit below what they take already.
func (t *Tier) SetLimit(limit int64) error {
	if t.mount < 0 || t.unlimited {
		return nil
	}
	if err := resizeTmpfs(t.mount, limit); err != nil {
		return fmt.Errorf("limit the RAM tier to %d bytes: %w", limit, err)
	}
	return nil
}

// Close gives the tmpfs back. Slots still open live on until they are closed.
func (t *Tier) Close() error {
	if t.mount < 0 {
		return nil
	}
	mount := t.mount
	t.mount = -1
	return unix.Close(mount)
}
