package handout

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"expertfs"

	"golang.org/x/sys/unix"
)

// folder holds one socket. As long as its server lives it has a lock on the
// folder, so that one without a lock is known to be left over.
type folder struct {
	path string
	fd   int // locked
}

// maxPath is the longest path of a socket.
const maxPath = len(unix.RawSockaddrUnix{}.Path) - 1

// RuntimeEnv names the folder in which there is to be one for folders of sockets,
// instead of those where programs of a user, or of the system, keep such things.
const RuntimeEnv = "EXPERTFS_RUNTIME_DIR"

// roots are the folders that folders of sockets may be in, the best first.
func roots(allowOther bool) []string {
	if root := os.Getenv(RuntimeEnv); root != "" {
		return []string{filepath.Join(root, "expertfs")}
	}
	temporary := filepath.Join(os.TempDir(), "expertfs-"+strconv.Itoa(os.Geteuid()))
	if os.Geteuid() == 0 {
		return []string{"/run/expertfs", temporary}
	}
	// Others do not get into the runtime folder of a user.
	if runtime := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(runtime) && !allowOther {
		return []string{filepath.Join(runtime, "expertfs"), temporary}
	}
	return []string{temporary}
}

// newFolder makes a folder, in the first root that will do, and removes those
// left over there.
func newFolder(allowOther bool) (*folder, error) {
	var errs []error
	for _, root := range roots(allowOther) {
		f, err := newFolderIn(root, allowOther)
		if err == nil {
			return f, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func newFolderIn(root string, allowOther bool) (*folder, error) {
	mode := uint32(0o700)
	if allowOther {
		mode = 0o711 // to get through, not to list
	}
	name := make([]byte, 10)
	rand.Read(name)
	f := &folder{path: filepath.Join(root, fmt.Sprintf("%x", name)), fd: -1}
	if n := len(f.socket()); n > maxPath {
		return nil, fmt.Errorf("%s: a socket there has a path of %d bytes, %d at most are allowed", root, n, maxPath)
	}
	guard, err := openRoot(root, mode)
	if err != nil {
		return nil, err
	}
	defer unix.Close(guard) // and with it the lock
	sweep(root)
	if err := os.Mkdir(f.path, 0o700); err != nil {
		return nil, err
	}
	if f.fd, err = lock(f.path, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		os.Remove(f.path)
		return nil, err
	}
	if err := unix.Fchmod(f.fd, mode); err != nil {
		f.remove()
		return nil, err
	}
	return f, nil
}

// openRoot makes a root unless there is one, and locks it against others that
// make folders there, or sweep it.
func openRoot(root string, mode uint32) (int, error) {
	if err := os.Mkdir(root, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return -1, err
	}
	fd, err := openFolder(root)
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && int(st.Uid) != os.Geteuid() {
		// Another user's lock could be held for ever.
		err = fmt.Errorf("%s belongs to user %d", root, st.Uid)
	}
	if err == nil {
		// Who else could write to it could put a socket of his own there; who
		// could read it could keep its lock.
		err = unix.Fchmod(fd, (st.Mode|mode)&0o711)
	}
	if err == nil {
		err = flock(fd, root, unix.LOCK_EX)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// lock opens a folder and locks it.
func lock(path string, how int) (int, error) {
	fd, err := openFolder(path)
	if err != nil {
		return -1, err
	}
	if err := flock(fd, path, how); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// openFolder opens a folder, which must not be a symlink.
func openFolder(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

func flock(fd int, path string, how int) error {
	for {
		switch err := unix.Flock(fd, how); err {
		case nil:
			return nil
		case unix.EINTR:
		default:
			return &os.PathError{Op: "lock", Path: path, Err: err}
		}
	}
}

// ours is what the names of folders of sockets are.
var ours = regexp.MustCompile("^[0-9a-f]{20}$")

// sweep removes the folders of servers that are gone.
func sweep(root string) {
	list, err := os.ReadDir(root)
	if err != nil {
		return
	}
	for _, e := range list {
		if !ours.MatchString(e.Name()) {
			continue
		}
		path := filepath.Join(root, e.Name())
		fd, err := lock(path, unix.LOCK_EX|unix.LOCK_NB)
		if err != nil {
			continue // in use, or not one of these
		}
		left := folder{path, fd}
		left.remove()
	}
}

// socket is the path of the socket.
func (f *folder) socket() string { return filepath.Join(f.path, expertfs.SocketFile) }

// bindPath is a path of the socket that does not tell where it is. Everybody can
// read the paths that sockets were bound to.
func (f *folder) bindPath() string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", f.fd, expertfs.SocketFile)
}

// remove removes the socket and the folder.
func (f *folder) remove() {
	_ = os.Remove(f.socket())
	_ = os.Remove(f.path)
	_ = unix.Close(f.fd)
}
