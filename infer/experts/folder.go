package experts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"

	"expertfs"
)

// folder is a tree whose experts are opened: a mount, or a plain copy of one.
type folder struct {
	dir   string
	names expertfs.Names
}

func (f *folder) control(name string) string {
	return filepath.Join(f.dir, expertfs.ControlPath(name))
}

func (f *folder) expert(k expertfs.Key) string {
	return filepath.Join(f.dir, f.names.ExpertPath(k))
}

// budget is how many bytes of experts the mount keeps in RAM; ok is false for a
// plain folder.
func (f *folder) budget() (bytes int64, ok bool, err error) {
	path := f.control(expertfs.RAMFile)
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

// expertSize is the size of an expert's file in bytes.
func (f *folder) expertSize() (int64, error) {
	st, err := os.Stat(f.expert(expertfs.Key{}))
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}
