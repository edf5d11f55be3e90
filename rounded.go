package expertfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrNoRounded says that a mount hands out no rounded dense files: there is no mount,
// it has no socket, is of an earlier version, or has no room for one more dense file.
var ErrNoRounded = errors.New("the mount hands out no rounded dense files")

// OpenRoundedFile returns a dense file of the mount at root with its matrices rounded to
// 8 bits, as it lies in memory, of which a mapping is no copy: that of a layer, or of
// the unembedding for the number of layers. It returns when the file is made, which
// takes seconds for the first who asks. The memory is that of the mount for as long
// as anybody has the file open or mapped. The error is ErrNoRounded, or an errno as
// Opener.Open gives it.
func OpenRoundedFile(root string, names Names, layer int) (*os.File, error) {
	c, err := dial(filepath.Join(root, ControlDir, SocketFile), names, answerPatience)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", root, ErrNoRounded, err)
	}
	defer c.hangUp()
	path := filepath.Join(root, ControlDir, RoundedDir, names.Rounded(layer))
	fd, err := c.rounded(layer)
	var failure *OpenError
	switch {
	case err == nil:
		return os.NewFile(uintptr(fd), path), nil
	case !errors.As(err, &failure) || failure.Errno == syscall.ENOMEM:
		return nil, fmt.Errorf("%s: %w: %w", root, ErrNoRounded, err)
	}
	return nil, &os.PathError{Op: "open", Path: path, Err: err}
}
