package weights

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"expertfs"

	"github.com/dustin/go-humanize"
)

// Budget is how many bytes of experts the mount keeps in RAM; ok is false for a
// plain folder.
func (f *Folder) Budget() (bytes int64, ok bool, err error) {
	path := f.path(expertfs.ControlPath(expertfs.RAMFile))
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	n, err := humanize.ParseBytes(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, false, fmt.Errorf("%s: %w", path, err)
	}
	return int64(n), true, nil
}

// ExpertSize is the size of an expert's file in bytes.
func (f *Folder) ExpertSize() (int64, error) {
	st, err := os.Stat(f.path(f.names.ExpertPath(expertfs.Key{})))
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}
