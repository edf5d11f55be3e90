package source

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"time"
)

// FS returns a folder inside the program: the root of fsys, whose files can be
// read at offsets. Its files have no time of their own and get modTime; name is
// what errors call it.
func FS(name string, fsys fs.FS, modTime time.Time) Folder {
	return &embedded{name, fsys, modTime}
}

// Bytes returns a source of bytes in memory, which must not be modified.
func Bytes(name string, data []byte, modTime time.Time) Source {
	return &memory{bytes.NewReader(data), io.NopCloser(nil), name, int64(len(data)), modTime}
}

type embedded struct {
	name    string
	fsys    fs.FS
	modTime time.Time
}

func (e *embedded) Describe(name string) string { return path.Join(e.name, name) }

func (e *embedded) List() ([]string, error) {
	entries, err := fs.ReadDir(e.fsys, ".")
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	slices.Sort(names)
	return names, err
}

func (e *embedded) Stat(name string) (Info, error) {
	info, err := fs.Stat(e.fsys, name)
	if err != nil {
		return Info{}, err
	}
	return Info{info.Size(), info.Mode().IsRegular()}, nil
}

func (e *embedded) Open(name string) (Source, error) {
	file, err := e.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", e.Describe(name), ErrNotRegular)
	}
	r, ok := file.(io.ReaderAt)
	if err == nil && !ok {
		err = fmt.Errorf("%s: cannot be read at offsets", e.Describe(name))
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return &memory{r, file, name, info.Size(), e.modTime}, nil
}

// memory is a file in memory.
type memory struct {
	r       io.ReaderAt
	closer  io.Closer
	name    string
	size    int64
	modTime time.Time
}

func (m *memory) Name() string                  { return m.name }
func (m *memory) Size() int64                   { return m.size }
func (m *memory) Identity() Identity            { return Identity{ModTime: m.modTime} }
func (m *memory) Align() (offset, memory int64) { return 1, 1 }
func (m *memory) Mechanism() string             { return "memory" }
func (m *memory) Check(context.Context) error   { return nil }
func (m *memory) Close() error                  { return m.closer.Close() }

// Bulk returns the same memory, which the first source closes.
func (m *memory) Bulk() (Source, error) {
	again := *m
	again.closer = io.NopCloser(nil)
	return &again, nil
}

func (m *memory) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	n, err := m.r.ReadAt(p, off)
	if err == io.EOF {
		err = nil
	}
	return n, err
}
