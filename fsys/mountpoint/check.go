package mountpoint

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"expertfs"

	"golang.org/x/sys/unix"
)

// What can be wrong with a folder that something is to be mounted on, or with
// a mount. Errors of this package wrap one of these, or expertfs.ErrDead.
var (
	ErrMissing    = errors.New("mount point does not exist")
	ErrNotDir     = errors.New("mount point is not a directory")
	ErrNotEmpty   = errors.New("mount point is not empty")
	ErrUnwritable = errors.New("mount point is not writable by this user")
	ErrMounted    = errors.New("already an expertfs mount")
	ErrNotMounted = errors.New("not an expertfs mount")
	ErrBusy       = errors.New("mount is busy")
	ErrNotYours   = errors.New("this user has not mounted it")

	// ErrNoDevice and ErrNoPrivilege say that this process cannot mount at all.
	ErrNoDevice    = errors.New("/dev/fuse cannot be used")
	ErrNoPrivilege = errors.New("mounting as root needs CAP_SYS_ADMIN (in a container: --cap-add SYS_ADMIN)")
)

// Possible tells why this process cannot mount, nil when nothing that can be
// known beforehand stands in the way.
func Possible() error {
	const device = "/dev/fuse"
	if _, err := os.Stat(device); err != nil {
		return fmt.Errorf("%w: %w: is the kernel's module fuse loaded (modprobe fuse), and the device passed into the container (--device %s)?", ErrNoDevice, err, device)
	}
	// Opening is what counts: a container's device rules may forbid what the mode allows.
	fd, err := unix.Open(device, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%w by this user: %w", ErrNoDevice, err)
	}
	unix.Close(fd)
	if os.Geteuid() != 0 {
		_, err := Fusermount()
		return err
	}
	var caps [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &caps[0]); err == nil && caps[0].Effective&(1<<unix.CAP_SYS_ADMIN) == 0 {
		return ErrNoPrivilege
	}
	return nil
}

// Check tells whether path can be mounted on: an empty directory, writable by
// the caller, that is not itself a mount of ours. A directory that is the root
// of another filesystem is accepted when it is empty.
func Check(path string) error {
	abs, err := Resolve(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s: %w: mkdir -p %s makes it", path, ErrMissing, expertfs.ShellQuote(path))
	case err != nil:
		return err
	}
	if m, ok, err := find(abs); err != nil {
		return err
	} else if ok && m.Type == FSType {
		if Dead(abs) {
			return &expertfs.DeadMountError{Point: path}
		}
		return fmt.Errorf("%s: %w", path, ErrMounted)
	}
	err = checkFolder(path, abs)
	if m, ok, ferr := find(abs); err != nil && ferr == nil && ok && m.Type == FSType {
		return fmt.Errorf("%s: %w", path, ErrMounted) // meanwhile: it was the mount that was looked at
	}
	return err
}

// checkFolder is Check of what is no mount of ours.
func checkFolder(path, abs string) error {
	info, err := os.Stat(abs)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s: %w", path, ErrNotDir)
	}
	if err := unix.Access(abs, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("%s: %w", path, ErrUnwritable)
	}
	return checkEmpty(path, abs)
}

func checkEmpty(path, abs string) error {
	d, err := os.Open(abs)
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(1)
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%s: %w (it has %q)", path, ErrNotEmpty, names[0])
}

// Claim makes this process the only one that mounts on the folder path, until
// release is called, the first time. While another one has it, the error is ErrMounted.
func Claim(path string) (release func(), err error) {
	folder, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		folder.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w, or one that is being mounted just now", path, ErrMounted)
		}
		return nil, fmt.Errorf("%s: flock: %w", path, err)
	}
	return func() { folder.Close() }, nil
}

// Resolve returns path as the mount table spells it: absolute and free of
// symbolic links. It does not touch the root of a mount of ours, so that it also
// works on one whose server is gone or does not answer.
func Resolve(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	const maxLinks = 40 // as the kernel has it
	for range maxLinks {
		if m, ok, err := find(abs); err != nil {
			return "", err
		} else if ok && m.Type == FSType {
			return abs, nil
		}
		if abs == "/" {
			return abs, nil
		}
		dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
		if err != nil {
			return "", err
		}
		abs = filepath.Join(dir, filepath.Base(abs))
		if m, ok, err := find(abs); err != nil {
			return "", err
		} else if ok && m.Type == FSType {
			return abs, nil
		}
		target, err := os.Readlink(abs)
		switch {
		case errors.Is(err, unix.EINVAL): // no link
			return abs, nil
		case err != nil:
			return "", err
		case !filepath.IsAbs(target):
			target = filepath.Join(dir, target)
		}
		abs = target
	}
	return "", fmt.Errorf("%s: %w", path, unix.ELOOP)
}

// Find returns the expertfs mount whose root is path.
func Find(path string) (Mount, error) {
	abs, err := Resolve(path)
	if errors.Is(err, os.ErrNotExist) {
		return Mount{}, fmt.Errorf("%s: %w", path, ErrMissing)
	}
	if err != nil {
		return Mount{}, err
	}
	m, ok, err := find(abs)
	if err != nil {
		return Mount{}, err
	}
	if !ok || m.Type != FSType {
		return Mount{}, fmt.Errorf("%s: %w", path, ErrNotMounted)
	}
	return m, nil
}
