package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"expertfs"
	"expertfs/infer/experts"
)

// lossError says in one sentence what has become of a model's folder. What failed for
// that is in it.
type lossError struct {
	what string
	error
}

func (e *lossError) Error() string { return e.what }
func (e *lossError) Unwrap() error { return e.error }

// lossPatience is how long a folder is looked at: a mount may hang.
const lossPatience = 2 * time.Second

// explainLoss returns err, of computing with the model in the folder dir, or says what
// has become of the folder where that is why: a mount may die or end in the middle of
// the work, and then one file or another is the first that cannot be read.
func explainLoss(dir string, err error) error {
	var system syscall.Errno
	var file *fs.PathError
	if err == nil || !experts.Gone(err) && !errors.As(err, &system) {
		return err
	}
	looked := make(chan error, 1)
	go func() { looked <- readable(dir) }()
	select {
	case now := <-looked:
		switch {
		case errors.Is(now, syscall.ENOTCONN):
			return &expertfs.DeadMountError{Point: dir}
		case errors.Is(now, fs.ErrNotExist):
			return &lossError{fmt.Sprintf("the model in %s is gone: mount it again, or use --model DIR with another", dir), err}
		case now == nil && errors.Is(err, syscall.EIO) && errors.As(err, &file) && strings.HasPrefix(file.Path, dir):
			return fmt.Errorf("%w: the drive or store under it has failed; the log of a mount says more, and expertfs check CHECKPOINT", err)
		case now == nil && experts.Gone(err):
			return &lossError{fmt.Sprintf("the model in %s was mounted anew, or a file of it was cut: start again", dir), err}
		}
		return err
	case <-time.After(lossPatience):
		return &lossError{fmt.Sprintf("the mount at %s does not answer: expertfs status tells of it, expertfs umount --lazy %s detaches it", dir, expertfs.ShellQuote(dir)), err}
	}
}

// readable tries to open a file of the model in dir. The kernel answers stat from its
// memory when a mount has died, but not open.
func readable(dir string) error {
	f, err := os.Open(filepath.Join(dir, "config.json"))
	if err != nil {
		return err
	}
	return f.Close()
}
