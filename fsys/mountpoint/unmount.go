package mountpoint

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrNoFusermount says that the program by which plain users mount is missing.
var ErrNoFusermount = errors.New("fusermount3 not found (Debian, Ubuntu, Fedora: package fuse3)")

// Unmount takes the expertfs mount at path down. With lazy it disappears at
// once and the kernel finishes when the last user lets go; without, a mount in
// use gives ErrBusy. A stale mount is taken down either way, as nothing can be
// in use there.
func Unmount(path string, lazy bool) error {
	m, err := Find(path)
	if err != nil {
		return err
	}
	unmount := unmountHelper
	if os.Geteuid() == 0 {
		unmount = unmountDirect
	} else if m.User >= 0 && m.User != os.Geteuid() {
		// The helper would say nothing, as it does of a busy mount.
		return fmt.Errorf("%s: %w: user %d has, and that user or root can take it down", m.Point, ErrNotYours, m.User)
	}
	err = unmount(m.Point, lazy)
	if !lazy && errors.Is(err, ErrBusy) && Dead(m.Point) {
		return unmount(m.Point, true)
	}
	return err
}

func unmountDirect(point string, lazy bool) error {
	flags := unix.UMOUNT_NOFOLLOW
	if lazy {
		flags |= unix.MNT_DETACH
	}
	err := unix.Unmount(point, flags)
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("%s: %w", point, ErrBusy)
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", point, err)
	}
	return nil
}

// unmountHelper asks the setuid helper, which lets a user take down mounts of
// his own.
func unmountHelper(point string, lazy bool) error {
	helper, err := Fusermount()
	if err != nil {
		return err
	}
	args := []string{"-u", "-q"}
	if lazy {
		args = append(args, "-z")
	}
	cmd := exec.Command(helper, append(args, "--", point)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		text := strings.TrimSpace(stderr.String())
		// With -q the helper keeps silent about a busy mount and about nothing
		// else that leaves the mount in place.
		if _, ferr := Find(point); ferr == nil && (text == "" || strings.Contains(text, "busy")) {
			return fmt.Errorf("%s: %w", point, ErrBusy)
		}
		return fmt.Errorf("%s: %s: %w", helper, text, err)
	}
	return nil
}

// Fusermount returns the path of the setuid helper by which plain users mount.
// It looks where go-fuse does: in PATH, and in /bin for those who have none.
func Fusermount() (string, error) {
	for _, name := range []string{"fusermount3", "/bin/fusermount3", "fusermount", "/bin/fusermount"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNoFusermount
}
