package source

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Pool opens files of a folder only while they are read, and keeps the ones read
// last open: for folders of more files than a process may have open. All files
// are taken to be on one filesystem.
type Pool struct {
	folder Folder
	limit  int // files that are open and not being read

	mu   sync.Mutex
	idle []*pooled // open and not being read, the one read last at the end

	once      sync.Once // of how the folder is read in bulk:
	offset    int64
	memory    int64
	mechanism string
	err       error
}

// NewPool returns a pool that keeps up to limit files open beside those being read.
func NewPool(f Folder, limit int) *Pool { return &Pool{folder: f, limit: limit} }

// Source returns a file of the folder after look has read from it, which sees it
// open. What look read, the first 8 KiB, is what the file is known by when its
// time of modification changes.
func (p *Pool) Source(name string, look func(Source) error) (Source, error) {
	s, err := p.folder.Open(name)
	if err != nil {
		return nil, err
	}
	if err = Brief(s); err == nil {
		err = look(s)
	}
	if err := errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	return &pooled{pool: p, path: name, first: s}, nil
}

// pooled is a file of a pool.
type pooled struct {
	pool  *Pool
	path  string // in the folder
	first Source // closed; it still knows what was opened
	bulk  bool

	// Guarded by pool.mu.
	open  Source // nil when it is not
	users int    // reads under way
}

func (f *pooled) Name() string                    { return f.path }
func (f *pooled) Path() string                    { return Path(f.first) }
func (f *pooled) Unwrap() Source                  { return f.first }
func (f *pooled) Size() int64                     { return f.first.Size() }
func (f *pooled) Identity() Identity              { return f.first.Identity() }
func (f *pooled) Check(ctx context.Context) error { return f.first.Check(ctx) }
func (f *pooled) Copies() int                     { return Copies(f.first) }
func (f *pooled) Near(off, n int64) bool          { return Near(f.first, off, n) } // true for files

func (f *pooled) Align() (offset, memory int64) {
	if f.bulk {
		return f.pool.offset, f.pool.memory
	}
	return 1, 1
}

func (f *pooled) Mechanism() string {
	if f.bulk {
		return f.pool.mechanism
	}
	return f.first.Mechanism()
}

// Bulk returns the file as it is read in bulk.
func (f *pooled) Bulk() (Source, error) {
	b := &pooled{pool: f.pool, path: f.path, first: f.first, bulk: true}
	f.pool.once.Do(func() {
		s, err := b.openNow()
		if err != nil {
			f.pool.err = err
			return
		}
		f.pool.offset, f.pool.memory = s.Align()
		f.pool.mechanism = s.Mechanism()
		f.pool.err = s.Close()
	})
	return b, f.pool.err
}

// openNow opens the file, which must be the one that it was.
func (f *pooled) openNow() (Source, error) {
	s, err := f.pool.folder.Open(f.path)
	if err != nil || !f.bulk {
		return s, err
	}
	if err := Brief(s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	b, err := s.Bulk()
	return b, errors.Join(err, s.Close())
}

func (f *pooled) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	s, err := f.acquire()
	if err != nil {
		return 0, err
	}
	n, err := s.ReadAt(ctx, p, off)
	return n, errors.Join(err, f.release())
}

// acquire opens the file unless it is open.
func (f *pooled) acquire() (Source, error) {
	p := f.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.open == nil {
		s, err := f.openNow()
		if err != nil {
			return nil, err
		}
		f.open = s
	} else if f.users == 0 {
		p.forget(f)
	}
	f.users++
	return f.open, nil
}

// release closes the file that nobody has read for the longest time, when there
// are too many.
func (f *pooled) release() error {
	p := f.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.users--; f.users > 0 {
		return nil
	}
	p.idle = append(p.idle, f)
	if len(p.idle) <= p.limit {
		return nil
	}
	return p.idle[0].shut()
}

// forget takes an idle file off the list. p.mu is held.
func (p *Pool) forget(f *pooled) {
	i := slices.Index(p.idle, f)
	p.idle = slices.Delete(p.idle, i, i+1)
}

// shut closes an idle file. pool.mu is held.
func (f *pooled) shut() error {
	f.pool.forget(f)
	s := f.open
	f.open = nil
	return s.Close()
}

func (f *pooled) Close() error {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	if f.open == nil {
		return nil
	}
	return f.shut()
}
