package checkpoint

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// File is one file of a checkpoint, open for reading. It is safe for
// concurrent use.
type File struct {
	io.ReaderAt

	name   string
	path   string
	info   fs.FileInfo
	mtime  time.Time
	closer io.Closer
}

// SmallFile is a file beside the weights: config.json, tokenizer.json and the like.
type SmallFile = File

// openFile opens a file of a folder. Symlinks are followed; anything but a
// regular file is an error.
func (f *folder) openFile(name string) (*File, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: expected a regular file", f.describe(name))
	}
	r, ok := file.(io.ReaderAt)
	if err == nil && !ok {
		err = fmt.Errorf("%s: cannot be read at offsets", f.describe(name))
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	out := &File{ReaderAt: r, name: name, info: info, mtime: info.ModTime(), closer: file}
	if f.dir == "" {
		out.mtime = f.mtime
	} else {
		out.path = filepath.Join(f.dir, name)
	}
	return out, nil
}

// Name returns the file's name without its folder.
func (f *File) Name() string { return f.name }

// Path returns where the file is, or "" when it is embedded in the program.
func (f *File) Path() string { return f.path }

// Size returns the file's length in bytes when it was opened.
func (f *File) Size() int64 { return f.info.Size() }

// ModTime returns the file's time of modification when it was opened.
func (f *File) ModTime() time.Time { return f.mtime }

// Check returns an error unless the file is still the one that was opened:
// the same inode under its path, with the same size and time of modification.
func (f *File) Check() error {
	if f.path == "" {
		return nil
	}
	now, err := os.Stat(f.path)
	switch {
	case err != nil:
		return fmt.Errorf("checkpoint changed while in use: %w", err)
	case !os.SameFile(now, f.info):
		return fmt.Errorf("%s: was replaced while in use: mount it again", f.path)
	case now.Size() != f.info.Size():
		return fmt.Errorf("%s: had %d bytes when opened, has %d now: mount it again", f.path, f.info.Size(), now.Size())
	case !now.ModTime().Equal(f.info.ModTime()):
		return fmt.Errorf("%s: was modified while in use: mount it again", f.path)
	}
	return nil
}
