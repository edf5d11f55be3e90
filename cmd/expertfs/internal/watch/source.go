package watch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"expertfs"

	"golang.org/x/sys/unix"
)

// Source is a mount that is watched. Its methods may be called concurrently. They
// may block where the mount's server hangs.
type Source interface {
	Stats() (*expertfs.Stats, error)
	Live() (*expertfs.Live, error)
	// Set writes to a control file that can be written, PolicyFile or RAMFile. The
	// error says why it is refused.
	Set(file, text string) error
}

// Point is the Source of a mount that another process serves: its control files.
type Point string

// Stats reads the figures.
func (p Point) Stats() (*expertfs.Stats, error) { return expertfs.ReadStats(string(p)) }

// Live reads where each expert is.
func (p Point) Live() (*expertfs.Live, error) { return expertfs.ReadLive(string(p)) }

// Set writes to a control file.
func (p Point) Set(file, text string) error {
	path := filepath.Join(string(p), filepath.FromSlash(expertfs.ControlPath(file)))
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Close())
	if errors.Is(err, unix.EINVAL) {
		if s, serr := p.Stats(); serr == nil && s.LastRefused != nil && s.LastRefused.File == file {
			return errors.New(s.LastRefused.Reason)
		}
	}
	return err
}

// Writable tells whether this process may write to the mount's control files, and
// if not, why.
func (p Point) Writable() error {
	err := unix.Access(filepath.Join(string(p), filepath.FromSlash(expertfs.ControlPath(expertfs.PolicyFile))), unix.W_OK)
	switch {
	case errors.Is(err, unix.EROFS):
		return errors.New("the mount is read-only")
	case errors.Is(err, unix.EACCES):
		return errors.New("only the user who mounted may change it")
	case err != nil:
		return fmt.Errorf("%s: %w", p, err)
	}
	return nil
}
