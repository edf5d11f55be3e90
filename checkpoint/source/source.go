package source

import (
	"context"
	"errors"
	"io"
	"time"
)

// Source is one file that bytes come from. Its methods may be called
// concurrently, Close alone when no read is under way.
type Source interface {
	// Name returns the file's name without its folder.
	Name() string
	// Size returns the file's length in bytes when it was opened.
	Size() int64
	// Identity tells this content from another one under the same name.
	Identity() Identity

	// ReadAt reads like pread(2): once, and at the end of the file less than
	// len(p) without an error. Offset, length and address are multiples of
	// what Align returns. A source that waits for a network gives up when ctx
	// ends; local ones do not look at it.
	ReadAt(ctx context.Context, p []byte, off int64) (int, error)
	// Align returns what offsets and lengths of reads must be multiples of, and
	// what the addresses they go to must be; 1 where they need not be. What
	// Folder.Open returns needs no alignment.
	Align() (offset, memory int64)
	// Mechanism tells people how bytes are read: "O_DIRECT", "memory".
	Mechanism() string

	// Check returns an error unless the file still is what was opened.
	Check(ctx context.Context) error
	// Bulk opens the same file once more, for reading much of it once: past
	// caches, and maybe with an alignment.
	Bulk() (Source, error)
	// Close gives up what the source holds. Once more it does no harm to others.
	Close() error
}

// Identity tells the content of a source from others. Fields that a kind of
// source does not know are empty.
type Identity struct {
	ModTime time.Time
	ETag    string
	SHA256  string // hexadecimal
}

// Folder is a place that holds files. Its methods may be called concurrently.
type Folder interface {
	// Describe returns how an error names a file of the folder, or the folder
	// itself for "": one line.
	Describe(name string) string
	// List returns the names in the folder, sorted.
	List() ([]string, error)
	// Stat describes a file; links are followed. The error is fs.ErrNotExist
	// for one that is not there, and for a link to nothing.
	Stat(name string) (Info, error)
	// Open opens a regular file. Its errors are those of Stat.
	Open(name string) (Source, error)
}

// Info describes a file of a folder.
type Info struct {
	Size    int64 // bytes
	Regular bool  // neither a directory nor a device
}

// Path returns where a source lies in the local filesystem, "" when it does not.
func Path(s Source) string {
	if l, ok := s.(interface{ Path() string }); ok {
		return l.Path()
	}
	return ""
}

// Reader returns a source that needs no alignment as an io.ReaderAt.
func Reader(s Source) io.ReaderAt { return reader{s} }

// Section returns all of a source that needs no alignment.
func Section(s Source) *io.SectionReader { return io.NewSectionReader(Reader(s), 0, s.Size()) }

// Readers is Reader of each.
func Readers(all []Source) []io.ReaderAt {
	rs := make([]io.ReaderAt, len(all))
	for i, s := range all {
		rs[i] = Reader(s)
	}
	return rs
}

type reader struct{ s Source }

func (r reader) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		m, err := r.s.ReadAt(context.Background(), p[n:], off+int64(n))
		n += m
		if err != nil {
			return n, err
		}
		if m == 0 {
			return n, io.EOF
		}
	}
	return n, nil
}

// far is implemented by sources that may have to ask a network. Reads of what is
// not near take long, and need no alignment.
type far interface {
	Near(off, n int64) bool
}

// Near tells whether a range of a source can be read without a network.
func Near(s Source, off, n int64) bool {
	f, ok := s.(far)
	return !ok || f.Near(off, n)
}

// MayBeFar tells whether Near ever says no.
func MayBeFar(s Source) bool {
	_, ok := s.(far)
	return ok
}

// Copies returns how many drives a source can be read from at the same time.
func Copies(s Source) int {
	if c, ok := s.(interface{ Copies() int }); ok {
		return c.Copies()
	}
	return 1
}

// Brief has a local file be known by its first 8 KiB when its time of modification
// changes, which have to be read now. Of others it is nothing.
func Brief(s Source) error {
	if b, ok := s.(interface{ Brief() error }); ok {
		return b.Brief()
	}
	return nil
}

// Unwrap returns the source that others are around.
func Unwrap(s Source) Source {
	for {
		w, ok := s.(interface{ Unwrap() Source })
		if !ok {
			return s
		}
		s = w.Unwrap()
	}
}

// Has tells whether a file or directory of that name is in a folder.
func Has(f Folder, name string) bool {
	_, err := f.Stat(name)
	return err == nil
}

// ErrNotRegular is wrapped in the error of opening a directory or a device.
var ErrNotRegular = errors.New("expected a regular file")
