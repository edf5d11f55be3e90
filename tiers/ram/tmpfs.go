package ram

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// DetachedTmpfs mounts a tmpfs of at most limit bytes at no path and returns its
// descriptor. Huge is its option of that name; an empty one leaves huge pages to
// the system's default.
func DetachedTmpfs(huge string, limit int64) (int, error) {
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsopen: %w", err)
	}
	defer unix.Close(fs)
	if huge != "" {
		if err := unix.FsconfigSetString(fs, "huge", huge); err != nil {
			return -1, fmt.Errorf("fsconfig huge=%s: %w", huge, err)
		}
	}
	// Inodes are no concern: the slots' size is what is limited.
	for option, value := range map[string]string{"size": tmpfsSize(limit), "nr_inodes": "0", "mode": "0700"} {
		if err := unix.FsconfigSetString(fs, option, value); err != nil {
			return -1, fmt.Errorf("fsconfig %s=%s: %w", option, value, err)
		}
	}
	noSwap(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, fmt.Errorf("fsconfig create: %w", err)
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsmount: %w", err)
	}
	return mount, nil
}

// noSwap keeps the pages of a tmpfs out of swap: a slot in swap would count as a
// hit and cost a miss. Before Linux 6.4, and in a user namespace, there is no
// such option. The kernel wants to hear of it again at each change.
func noSwap(fs int) { _ = unix.FsconfigSetFlag(fs, "noswap") }

// resizeTmpfs changes size= of a mounted tmpfs.
func resizeTmpfs(mount int, limit int64) error {
	fs, err := unix.Fspick(mount, "", unix.FSPICK_CLOEXEC|unix.FSPICK_EMPTY_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(fs)
	if err := unix.FsconfigSetString(fs, "size", tmpfsSize(limit)); err != nil {
		return err
	}
	noSwap(fs)
	return unix.FsconfigReconfigure(fs)
}

// tmpfsSize spells a limit as tmpfs does; the kernel rounds it up to pages.
// No limit is a very large one: with none at all statfs counts nothing.
func tmpfsSize(limit int64) string {
	if limit <= 0 {
		limit = 1 << 60
	}
	return strconv.FormatInt(limit, 10)
}

// newTmpfsFile opens a file without a name in the tmpfs.
func newTmpfsFile(mount int) (int, error) {
	return unix.Openat(mount, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
}

// newMemfd opens an anonymous file. Leases compare the number of writers that
// the inode counts with the descriptor's own, and memfd_create counts none;
// opening it once more by its path in /proc does.
func newMemfd() (int, error) {
	first, err := unix.MemfdCreate("expertfs-slot", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, err
	}
	defer unix.Close(first)
	return unix.Open("/proc/self/fd/"+strconv.Itoa(first), os.O_RDWR|unix.O_CLOEXEC, 0)
}

// addSeals forbids what the seals name for the life of a memfd.
func addSeals(fd, seals int) error {
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("seal a memfd: %w", err)
	}
	return nil
}
