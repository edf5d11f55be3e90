package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"expertfs/checkpoint/source"

	"golang.org/x/sys/unix"
)

// way is how a source reads.
type way int

const (
	plain way = iota // what Folder.Open returns
	bulk             // what Source.Bulk returns
	ways
)

// file is one file of the checkpoint.
type file struct {
	set      *Set
	name     string
	size     int64
	identity source.Identity // of the first drive's
	path     string          // of the first drive's, "" for none
	sum      sum             // of the sample
	copies   []*copied       // of the first drive, then of others that have one

	mu sync.Mutex
	// GUARDED BY mu.
	opened [ways]int // sources that are not closed
	brief  bool      // local files are to be known by little: see source.Brief
}

// newFile looks for a file on all drives. What is no copy of the first drive's is a
// problem of the set.
func newFile(at *folder, name string) (*file, error) {
	own, err := at.copies[0].Open(name)
	if err != nil {
		return nil, err
	}
	defer own.Close()
	f := &file{set: at.set, name: name, size: own.Size(), identity: own.Identity(), path: source.Path(own)}
	if f.sum, err = sample(own); err != nil {
		return nil, fmt.Errorf("%s: %w", at.Describe(name), err)
	}
	f.copies = []*copied{{file: f, drive: at.set.drives[0], folder: at.copies[0], known: f.identity}}
	for i, other := range at.copies[1:] {
		if other == nil {
			continue
		}
		c := &copied{file: f, drive: at.set.drives[1+i], folder: other}
		switch err := c.look(own); {
		case errors.Is(err, fs.ErrNotExist): // it has no such file
		case err != nil:
			at.set.problem(err)
		default:
			f.copies = append(f.copies, c)
		}
	}
	return f, nil
}

// look admits a copy for the first time.
func (c *copied) look(own source.Source) error {
	u, err := c.acquire(plain, 0)
	if err != nil {
		return err
	}
	c.sameDevice, err = beside(own, u.Source)
	c.release(u, err != nil)
	return err
}

// open returns one more source of the file. It fails when no copy can be opened.
func (f *file) open(w way) (source.Source, error) {
	f.mu.Lock()
	f.opened[w]++
	f.mu.Unlock()
	h := &handle{file: f, way: w, offset: 1, memory: 1}
	var how []string
	var errs []error
	for tried := make([]bool, len(f.copies)); ; {
		ch, ok := f.set.choose(f, plain, 0, tried)
		if !ok || ch.left && len(how) > 0 {
			break
		}
		u, err := ch.acquire(w, ch.driveEpoch)
		if err != nil {
			f.set.ended(ch, badFile, err)
			errs = append(errs, err)
			continue
		}
		f.set.ended(ch, opened, nil)
		offset, memory := u.Align()
		h.offset, h.memory = max(h.offset, offset), max(h.memory, memory)
		how = append(how, u.Mechanism())
		ch.release(u, false)
	}
	if len(how) == 0 {
		return nil, errors.Join(failed(errs), h.Close())
	}
	slices.Sort(how)
	h.mechanism = strings.Join(slices.Compact(how), " and ")
	if len(f.copies) > 1 {
		h.mechanism += fmt.Sprintf(" of %d copies", len(f.copies))
	}
	return h, nil
}

// isBrief tells whether local files are to be known by little.
func (f *file) isBrief() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.brief
}

// read reads from the copies, one after the other until one has done it.
func (f *file) read(ctx context.Context, w way, p []byte, off int64) (int, error) {
	want := min(int64(len(p)), f.size-off)
	if want <= 0 {
		return 0, nil
	}
	var errs []error
	for tried := make([]bool, len(f.copies)); ; {
		ch, ok := f.set.choose(f, w, want, tried)
		if !ok {
			return 0, failed(errs)
		}
		n, how, err := ch.read(ctx, w, p, off, want)
		f.set.ended(ch, how, err)
		if err == nil {
			return n, nil
		}
		if ctx.Err() != nil {
			return 0, err
		}
		errs = append(errs, err)
	}
}

// failed is the error of a read that has failed at all copies.
func failed(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	return fmt.Errorf("%w; and another copy: %w", errs[0], failed(errs[1:]))
}

// read reads from the chosen copy, and finds out whether it still is one.
func (ch choice) read(ctx context.Context, w way, p []byte, off, want int64) (n int, how outcome, err error) {
	u, err := ch.acquire(w, ch.driveEpoch)
	if err != nil {
		return 0, badFile, err
	}
	n, err = u.ReadAt(ctx, p, off)
	switch {
	case err != nil && ctx.Err() != nil:
		how = neither
	case errors.Is(err, unix.EINVAL) && w == bulk && uintptr(unsafe.Pointer(&p[0]))%page != 0:
		// The drive wants addresses in multiples of more. Who reads tries again with
		// one of those.
		how = neither
	case err != nil:
		how = badDrive
	default:
		if err = u.Check(ctx); err == nil && int64(n) < want {
			err = fmt.Errorf("%w: got %d bytes", io.ErrUnexpectedEOF, n)
		}
		if err != nil {
			how = badFile
		}
	}
	ch.release(u, how == badDrive || how == badFile)
	return n, how, err
}

// handle is a source of a file.
type handle struct {
	*file
	way            way
	offset, memory int64
	mechanism      string
	closed         bool // GUARDED BY file.mu
}

func (h *handle) Name() string                  { return path.Base(h.name) }
func (h *handle) Path() string                  { return h.path }
func (h *handle) Size() int64                   { return h.size }
func (h *handle) Identity() source.Identity     { return h.identity }
func (h *handle) Align() (offset, memory int64) { return h.offset, h.memory }
func (h *handle) Mechanism() string             { return h.mechanism }

// Copies implements what source.Copies asks for.
func (h *handle) Copies() int { return len(h.copies) }

// Check returns nil: each read has found out whether its copy still is one.
func (h *handle) Check(context.Context) error { return nil }

// Bulk implements source.Source.
func (h *handle) Bulk() (source.Source, error) { return h.open(bulk) }

func (h *handle) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	return h.read(ctx, h.way, p, off)
}

// Brief implements what source.Brief asks for.
func (h *handle) Brief() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.brief = true
	return nil
}

// Close closes the copies with the last source of the file that reads so.
func (h *handle) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	h.opened[h.way]--
	last := h.opened[h.way] == 0
	h.mu.Unlock()
	if last {
		for _, c := range h.copies {
			c.close(h.way)
		}
	}
	return nil
}
