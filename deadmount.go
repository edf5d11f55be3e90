package expertfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"unicode"
)

// ErrDead is in the errors of a mount whose server has ended without taking it down:
// whatever is asked of such a mount fails.
var ErrDead = errors.New("its server is gone")

// DeadMountError says that a mount is dead, and what to do. It is ErrDead, and the
// kernel's ENOTCONN.
type DeadMountError struct {
	Point string // as the user named it, or found
}

func (e *DeadMountError) Error() string {
	point := ShellQuote(e.Point)
	return fmt.Sprintf("%s is a dead mount, its server is gone: expertfs umount %s takes it away, then mount it again", point, point)
}

// Is makes the error those that it stands for.
func (e *DeadMountError) Is(target error) bool {
	return target == ErrDead || target == syscall.ENOTCONN
}

// ExplainDead returns a DeadMountError in place of an error that came of a dead mount;
// any other one, nil included, it returns as it is. Path is what was used, in the
// mount or the mount itself; where it is "" the path in the error counts.
func ExplainDead(path string, err error) error {
	if errors.Is(err, ErrDead) || !errors.Is(err, syscall.ENOTCONN) && !errors.Is(err, syscall.ECONNABORTED) {
		return err
	}
	if path == "" {
		var at *fs.PathError
		if !errors.As(err, &at) {
			return err
		}
		path = at.Path
	}
	if point, dead := deadPoint(path); dead {
		return &DeadMountError{point}
	}
	return err
}

// deadPoint finds the first folder on the way to path that is a dead mount. It asks by
// statfs, as the kernel may answer stat from its cache; above a dead mount nothing has
// to be asked twice.
func deadPoint(path string) (point string, dead bool) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", false
	}
	for at := abs; ; at = filepath.Dir(at) {
		var st syscall.Statfs_t
		if !errors.Is(syscall.Statfs(at, &st), syscall.ENOTCONN) {
			return point, dead
		}
		if point, dead = at, true; at == "/" {
			return point, dead
		}
	}
}

// ShellQuote is a word, such as a path, in a form that a shell takes as it is, for
// commands that a message proposes.
func ShellQuote(word string) string {
	if word == "" || strings.ContainsFunc(word, func(r rune) bool {
		return !strings.ContainsRune("/._-:+@%,=", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}
