package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Dir returns a directory of the local filesystem; path is absolute.
func Dir(path string) Folder { return dir(path) }

// dir is the path of a directory.
type dir string

func (d dir) Describe(name string) string { return Printable(filepath.Join(string(d), name)) }

// Printable returns a path as one line: quoted where it has control characters.
func Printable(path string) string {
	if strings.ContainsFunc(path, unicode.IsControl) {
		return strconv.Quote(path)
	}
	return path
}

// OneLine returns err with the path that the operating system's errors name as
// Printable shows it.
func OneLine(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) && err == error(p) {
		return &fs.PathError{Op: p.Op, Path: Printable(p.Path), Err: p.Err}
	}
	return err
}

func (d dir) List() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, OneLine(err)
}

func (d dir) Stat(name string) (Info, error) {
	info, err := os.Stat(filepath.Join(string(d), name))
	if err != nil {
		return Info{}, OneLine(err)
	}
	return Info{info.Size(), info.Mode().IsRegular()}, nil
}

func (d dir) Open(name string) (Source, error) {
	// Asked first, as the opening of a pipe would wait for its other end.
	if info, err := d.Stat(name); err != nil {
		return nil, err
	} else if !info.Regular {
		return nil, fmt.Errorf("%s: %w", d.Describe(name), ErrNotRegular)
	}
	path := filepath.Join(string(d), name)
	f, err := os.Open(path)
	if err != nil {
		return nil, OneLine(err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", d.Describe(name), ErrNotRegular)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &local{file: f, path: path, info: info, modTime: info.ModTime()}, nil
}

// local is an open file of the local filesystem, read through the page cache.
type local struct {
	file *os.File
	path string
	info fs.FileInfo // when it was opened

	mu      sync.Mutex
	modTime time.Time          // with which the content was last found to be the same
	sum     *[sha256.Size]byte // of the sample; nil before anyone reads in bulk
	brief   bool               // the sample is the first 8 KiB alone
}

func (l *local) Name() string                  { return filepath.Base(l.path) }
func (l *local) Path() string                  { return l.path }
func (l *local) Size() int64                   { return l.info.Size() }
func (l *local) Identity() Identity            { return Identity{ModTime: l.info.ModTime()} }
func (l *local) Align() (offset, memory int64) { return 1, 1 }
func (l *local) Mechanism() string             { return "buffered" }
func (l *local) Close() error                  { return l.file.Close() }

func (l *local) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	n, err := l.file.ReadAt(p, off)
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// Check compares what is under the path now with what was opened. Another inode
// or length is another file. Another time of modification alone is not, as
// backups, synchronising and `touch` change it: then a sample of the content
// decides.
func (l *local) Check(context.Context) error {
	now, err := os.Stat(l.path)
	path := Printable(l.path)
	switch {
	case err != nil:
		return fmt.Errorf("checkpoint changed while in use: %w", OneLine(err))
	case !os.SameFile(now, l.info):
		return fmt.Errorf("%s: was replaced while in use: mount it again", path)
	case now.Size() != l.info.Size():
		return fmt.Errorf("%s: had %d bytes when opened, has %d now: mount it again", path, l.info.Size(), now.Size())
	}
	if same, err := l.same(now.ModTime()); err != nil {
		return fmt.Errorf("%s: compare it with what was opened: %w", path, err)
	} else if !same {
		return fmt.Errorf("%s: was modified while in use: mount it again", path)
	}
	return nil
}
