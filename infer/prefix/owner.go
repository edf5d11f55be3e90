package prefix

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Checksums find what is torn, and not what somebody has made up: keys and values
// of another text, under the name of this one, would be answered from. So the folder
// and each file in it must belong to the user or to root, and nobody else may write
// to them.

// own tells whether what info describes can be trusted.
func own(info os.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return errors.New("its owner is not known")
	case st.Uid != uint32(os.Geteuid()) && st.Uid != 0:
		return fmt.Errorf("it belongs to another user (uid %d)", st.Uid)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others may write to it (mode %04o): chmod go-w", info.Mode().Perm())
	}
	return nil
}

// claim checks the folder of a key, and closes it to readers.
func claim(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if err := own(info); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	return os.Chmod(dir, 0o700)
}

// openFile opens a file of the folder. One that is not the user's is foreign.
func openFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%w: it is a symbolic link", errTorn)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		if wrong := own(info); wrong != nil {
			err = fmt.Errorf("%w: %w", errTorn, wrong)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
