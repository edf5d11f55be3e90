package mirror

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"expertfs"
	"expertfs/checkpoint/source"
)

// Set is the drives that hold a checkpoint. Its methods may be called concurrently.
type Set struct {
	log *slog.Logger
	now func() time.Time // time.Now, but in tests

	mu sync.Mutex
	// GUARDED BY mu, the fields of the drives and the patience of copies as well.
	drives   []*drive
	files    []*file // in the order in which they were first opened
	problems []error // what is no copy
}

// New makes a set of drives by what people call them, the checkpoint's own first. A nil
// log logs nothing.
func New(log *slog.Logger, names ...string) *Set {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Set{log: log, now: time.Now}
	for _, name := range names {
		d := &drive{name: name}
		d.unlearn()
		s.drives = append(s.drives, d)
	}
	return s
}

// Folder returns a folder of which each drive has a copy, in the order of the drives;
// nil for a drive without. The first one has all of it: what it lists is what there is.
func (s *Set) Folder(copies ...source.Folder) source.Folder {
	return &folder{Folder: copies[0], set: s, copies: copies, files: map[string]*file{}}
}

// folder is one folder.
type folder struct {
	source.Folder
	set    *Set
	copies []source.Folder

	opening sync.Mutex
	files   map[string]*file // those that were opened before; GUARDED BY opening
}

// Open implements source.Folder. What the other drives have of the file is looked for
// the first time only.
func (f *folder) Open(name string) (source.Source, error) {
	f.opening.Lock()
	defer f.opening.Unlock()
	known := f.files[name]
	if known == nil {
		var err error
		if known, err = newFile(f, name); err != nil {
			return nil, err
		}
		f.files[name] = known
		f.set.add(known)
	}
	return known.open(plain)
}

// add notes a file that was opened for the first time.
func (s *Set) add(f *file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = append(s.files, f)
	for _, c := range f.copies {
		c.drive.files++
	}
}

// problem notes what is no copy.
func (s *Set) problem(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, err)
}

// SetOf returns the drives of a folder, nil of any other folder.
func SetOf(f source.Folder) *Set {
	if f, ok := f.(*folder); ok {
		return f.set
	}
	return nil
}

// Verify returns what of the files opened so far is no copy of the checkpoint's own, and
// compares small files whole. A drive that has none of the files with weights is a
// problem too. There is one problem at most for each file.
func (s *Set) Verify(ctx context.Context, weights, small []source.Source) []error {
	s.mu.Lock()
	problems := slices.Clone(s.problems)
	s.mu.Unlock()
	for _, m := range small {
		if h, ok := m.(*handle); ok {
			problems = append(problems, s.compare(ctx, h.file, func(int) {})...)
		}
	}
	if len(problems) > 0 {
		return problems
	}
	for i, d := range s.drives {
		if !slices.ContainsFunc(weights, func(w source.Source) bool { return s.Has(i, w) }) {
			problems = append(problems, fmt.Errorf("%s: has none of the checkpoint's files with weights, by their names: a mirror is a copy of the same files", d.name))
		}
	}
	return problems
}

// Has tells whether a drive has a copy of a file; 0 is the checkpoint's own.
func (s *Set) Has(drive int, f source.Source) bool {
	h, ok := source.Unwrap(f).(*handle)
	return ok && slices.ContainsFunc(h.file.copies, func(c *copied) bool { return c.drive == s.drives[drive] })
}

// Paths returns where each copy of a file lies that can be opened and is on a drive.
func (s *Set) Paths(f source.Source) (paths []string) {
	h, ok := source.Unwrap(f).(*handle)
	if !ok {
		return nil
	}
	for _, c := range h.file.copies {
		u, err := c.acquire(plain, 0)
		if err != nil {
			continue
		}
		if path := source.Path(u.Source); path != "" {
			paths = append(paths, path)
		}
		c.release(u, false)
	}
	return paths
}

// Names returns what the drives are called.
func (s *Set) Names() []string {
	var names []string
	for _, d := range s.drives {
		names = append(names, d.name)
	}
	return names
}

// Stats returns the figures of the drives.
func (s *Set) Stats() []expertfs.CopyStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]expertfs.CopyStats, len(s.drives))
	for i, d := range s.drives {
		all[i] = expertfs.CopyStats{
			Dir: d.name, Files: d.files, Reads: d.count, Bytes: d.total, Errors: d.errors,
			Serves: d.until.IsZero(), LeftFiles: d.failing, LastError: d.lastError,
		}
		if d.count > 0 {
			all[i].Speed = d.speed()
		}
	}
	return all
}

// SameDrive returns the names of those copies that lie on the first one's filesystem.
func (s *Set) SameDrive() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, f := range s.files {
		for _, c := range f.copies[1:] {
			if c.sameDevice && !slices.Contains(names, c.drive.name) {
				names = append(names, c.drive.name)
			}
		}
	}
	return names
}
