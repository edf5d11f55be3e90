package experts

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"expertfs"
)

// folder is a tree whose experts are opened: a mount, or a plain copy of one.
type folder struct {
	dir   string
	names expertfs.Names
}

func (f *folder) expert(k expertfs.Key) string {
	return filepath.Join(f.dir, f.names.ExpertPath(k))
}

// budget is how many bytes of experts the mount keeps in RAM; ok is false for a
// plain folder.
func (f *folder) budget() (bytes int64, ok bool, err error) {
	bytes, err = expertfs.ReadBudget(f.dir)
	if errors.Is(err, expertfs.ErrNotMounted) || errors.Is(err, fs.ErrPermission) {
		return 0, false, nil
	}
	return bytes, err == nil, err
}

// expertSize is the size of an expert's file in bytes.
func (f *folder) expertSize() (int64, error) {
	st, err := os.Stat(f.expert(expertfs.Key{}))
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// crowded tells whether another reader of the mount holds more than its share. It
// is told to let go, and somebody who waits for room need only wait longer.
func (f *folder) crowded() bool {
	st, err := expertfs.ReadStats(f.dir)
	if err != nil {
		return false
	}
	for _, r := range st.Readers {
		if r.PID != os.Getpid() && r.MappedBytes > r.ShareBytes {
			return true
		}
	}
	return false
}
