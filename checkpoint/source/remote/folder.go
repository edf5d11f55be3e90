package remote

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"expertfs/checkpoint/source"
)

// Folder is a store as a source.Folder. Its files are read as they are asked for;
// nothing is kept.
type Folder struct {
	store     Store
	transport *Transport
	retrying  Retrying

	listing atomic.Pointer[Listing]
	asking  sync.Mutex // for the listing

	bytes, retries, errors atomic.Int64
	offline                atomic.Int64 // until when the place counts as out of reach, in Unix nanoseconds
}

// Figures count what was asked of a store.
type Figures struct {
	Requests int64 // made, failed ones and redirections included
	Bytes    int64 // of files
	Retries  int64
	Errors   int64 // requests that were given up
}

// NewFolder returns the folder of a store that makes its requests by transport.
func NewFolder(s Store, t *Transport) *Folder {
	return &Folder{store: s, transport: t, retrying: DefaultRetrying}
}

// SetRetrying replaces DefaultRetrying, before the first request.
func (f *Folder) SetRetrying(r Retrying) { f.retrying = r }

// Store returns the store.
func (f *Folder) Store() Store { return f.store }

// Figures returns the figures of now.
func (f *Folder) Figures() Figures {
	return Figures{f.transport.requests.Load(), f.bytes.Load(), f.retries.Load(), f.errors.Load()}
}

// Listing returns what is in the place. It is asked for once.
func (f *Folder) Listing(ctx context.Context) (*Listing, error) {
	if l := f.listing.Load(); l != nil {
		return l, nil
	}
	f.asking.Lock()
	defer f.asking.Unlock()
	if l := f.listing.Load(); l != nil {
		return l, nil
	}
	l, err := f.Ask(ctx)
	if err != nil {
		return nil, err
	}
	f.listing.Store(l)
	return l, nil
}

// Use makes l the listing, so that none is asked for.
func (f *Folder) Use(l *Listing) { f.listing.Store(l) }

// Ask asks what is in the place now.
func (f *Folder) Ask(ctx context.Context) (l *Listing, err error) {
	err = f.attempt(ctx, func(ctx context.Context, alive func()) error {
		var err error
		l, err = f.store.List(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.store.Name(), err)
	}
	// Names become those of files here.
	l.Files = slices.DeleteFunc(l.Files, func(file *File) bool {
		return file.Size < 0 || !filepath.IsLocal(file.Name) || path.Clean(file.Name) != file.Name || strings.HasPrefix(file.Name, ".")
	})
	slices.SortFunc(l.Files, func(a, b *File) int { return strings.Compare(a.Name, b.Name) })
	return l, nil
}

// Unreachable tells whether an error of Ask or Fetch says that no answer came.
func Unreachable(err error) bool { return unreachable(err) }

// Describe implements source.Folder.
func (f *Folder) Describe(name string) string {
	if name == "" {
		return source.Printable(f.store.Name())
	}
	return source.Printable(f.store.Name() + "/" + name)
}

// List implements source.Folder.
func (f *Folder) List() ([]string, error) {
	l, err := f.Listing(context.Background())
	if err != nil {
		return nil, err
	}
	return l.Names(""), nil
}

// Names returns the names directly below a folder of the place, sorted; dir is ""
// or ends in a slash.
func (l *Listing) Names(dir string) []string {
	var names []string
	for _, file := range l.Files {
		if rest, ok := strings.CutPrefix(file.Name, dir); ok && rest != "" {
			name, _, _ := strings.Cut(rest, "/")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Stat describes a file of a listing as source.Folder does.
func (l *Listing) Stat(name string) (source.Info, error) {
	name = path.Clean(name)
	if file := l.Find(name); file != nil {
		return source.Info{Size: file.Size, Regular: true}, nil
	}
	for _, file := range l.Files {
		if strings.HasPrefix(file.Name, name+"/") {
			return source.Info{}, nil // a folder
		}
	}
	return source.Info{}, fs.ErrNotExist
}

// Stat implements source.Folder.
func (f *Folder) Stat(name string) (source.Info, error) {
	l, err := f.Listing(context.Background())
	if err != nil {
		return source.Info{}, err
	}
	info, err := l.Stat(name)
	if err != nil {
		return info, &fs.PathError{Op: "stat", Path: f.Describe(name), Err: err}
	}
	return info, nil
}

// Open implements source.Folder.
func (f *Folder) Open(name string) (source.Source, error) {
	info, err := f.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Regular {
		return nil, fmt.Errorf("%s: %w", f.Describe(name), source.ErrNotRegular)
	}
	return source.Ahead(&file{f, f.listing.Load().Find(path.Clean(name))}), nil
}

// Sub returns a folder of a place: what of f begins with dir and a slash.
func Sub(f source.Folder, dir string) source.Folder { return sub{f, dir + "/"} }

type sub struct {
	source.Folder
	dir string
}

func (s sub) Describe(name string) string {
	return s.Folder.Describe(strings.TrimSuffix(s.dir+name, "/"))
}
func (s sub) Stat(name string) (source.Info, error)   { return s.Folder.Stat(s.dir + name) }
func (s sub) Open(name string) (source.Source, error) { return s.Folder.Open(s.dir + name) }

func (s sub) List() ([]string, error) {
	l, ok := s.Folder.(interface{ Listed() (*Listing, error) })
	if !ok {
		return nil, fmt.Errorf("%s: cannot be listed", s.Describe(""))
	}
	listing, err := l.Listed()
	if err != nil {
		return nil, err
	}
	return listing.Names(s.dir), nil
}

// Listed is Listing for whoever waits as long as it takes.
func (f *Folder) Listed() (*Listing, error) { return f.Listing(context.Background()) }

// file is a file of a folder.
type file struct {
	folder *Folder
	*File
}

func (f *file) Name() string { return path.Base(f.File.Name) }
func (f *file) Size() int64  { return f.File.Size }
func (f *file) Identity() source.Identity {
	return source.Identity{ModTime: f.ModTime, ETag: f.ETag, SHA256: f.SHA256}
}
func (f *file) Align() (offset, memory int64) { return 1, 1 }
func (f *file) Mechanism() string             { return "network" }
func (f *file) Check(context.Context) error   { return nil } // each request is for the content listed
func (f *file) Bulk() (source.Source, error)  { return f, nil }
func (f *file) Close() error                  { return nil }
func (f *file) Near(off, n int64) bool        { return false }
func (f *file) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	p = p[:max(0, min(int64(len(p)), f.File.Size-off))]
	if len(p) == 0 {
		return 0, nil
	}
	if err := f.folder.Fetch(ctx, f.File, off, p); err != nil {
		return 0, err
	}
	return len(p), nil
}
