package diskcache

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"expertfs/checkpoint/source"
	"expertfs/checkpoint/source/remote"

	"golang.org/x/sys/unix"
)

// file is one file of the place, and what of it is here.
type file struct {
	c    *Cache
	info *remote.File

	gate sync.RWMutex // held for reading while bytes are read from the drive

	mu sync.Mutex
	// GUARDED BY mu.
	have     extents   // what can be read from the drive
	fresh    []extent  // of that, what the journal does not know yet
	pending  []*write  // what is on its way to the drive
	flights  []*flight // ranges that are being fetched or evicted
	together []extent  // ranges of Together, by place, none of which overlap
	whole    bool      // under its own name: all of it is there, and was verified
	opened   int       // sources of it that are not closed
	closed   bool      // for good: the drive is read and written no more
	data     *os.File  // nil before it is needed
	direct   int       // the same for writing past the page cache; 0 before it is needed, -1 for none
}

func newFile(c *Cache, info *remote.File) *file { return &file{c: c, info: info} }

// path is where the file lies when it is whole.
func (f *file) path() string { return filepath.Join(f.c.dir, filepath.FromSlash(f.info.Name)) }

// open returns the file on the drive, for reading and writing, and makes it when
// there is none. f.mu is held.
func (f *file) open() (*os.File, error) {
	if f.closed {
		return nil, errClosed
	}
	if f.data != nil {
		return f.data, nil
	}
	name, flags := f.path(), os.O_RDONLY
	if !f.whole {
		name += partSuffix
	}
	if !f.whole && f.c.writes {
		flags = os.O_RDWR | os.O_CREATE
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return nil, err
		}
	}
	d, err := os.OpenFile(name, flags, 0o600)
	if err != nil {
		return nil, err
	}
	if flags&os.O_CREATE != 0 {
		if err := d.Truncate(f.info.Size); err != nil {
			d.Close()
			return nil, err
		}
	}
	f.data = d
	return d, nil
}

func (f *file) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.data == nil {
		return nil
	}
	err := f.data.Close()
	if f.direct > 0 {
		err = errors.Join(err, unix.Close(f.direct))
	}
	return err
}

// has tells whether a range can be read from the drive.
func (f *file) has(e extent) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.have.covers(e)
}

// near tells whether a range can be read without the network.
func (f *file) near(e extent) bool { return len(f.lacks(e)) == 0 }

// lacks returns what of a range has to be fetched.
func (f *file) lacks(e extent) []extent {
	f.mu.Lock()
	defer f.mu.Unlock()
	gaps := extents(f.have.gaps(e))
	for _, w := range f.pending {
		gaps.remove(w.extent)
	}
	return gaps
}

// forgetPending takes off a write that is over. f.mu is held.
func (f *file) forgetPending(w *write) {
	i := slices.Index(f.pending, w)
	f.pending = slices.Delete(f.pending, i, i+1)
}

// read reads len(p) bytes, all of which are in the file. local reads what is on the
// drive. fill is for Fill, which waits until what it fetches can be kept: p is no longer
// than fillPart then, whose gaps have room at once however they lie.
func (f *file) read(ctx context.Context, p []byte, off int64, fill bool, local func() (int, error)) (int, error) {
	want := extent{off, min(off+int64(len(p)), f.info.Size)}
	if want.len() <= 0 {
		return 0, nil
	}
	for again := false; ; {
		f.gate.RLock()
		if f.has(want) {
			n, err := local()
			f.gate.RUnlock()
			if err == nil && int64(n) < want.len() {
				err = io.ErrUnexpectedEOF
			}
			if err == nil {
				return n, nil
			}
			p = p[:want.len()]
			return len(p), f.refetch(ctx, p, off, err)
		}
		f.gate.RUnlock()
		var err error
		if again, err = f.fetch(ctx, want, p, fill, again); err != nil {
			return 0, err
		} else if !again {
			return int(want.len()), nil
		}
	}
}

// fetch gets a range of which some is not on the drive. again says that somebody
// else was about to, so that it may be there now. Who has waited so before asks for
// no more than it wants: what others fetched for it was not kept.
func (f *file) fetch(ctx context.Context, want extent, p []byte, fill, waited bool) (again bool, err error) {
	around := want.outside(f.info.Size)
	var ahead *int64 // room that Fill has taken before the flight begins, for whose end readers wait
	if fill {
		ahead = new(int64)
		*ahead = roomFor(f.lacks(around))
		fills := f.c.behind.fills
		if fills.Acquire(ctx, *ahead) != nil {
			return false, context.Cause(ctx)
		}
		defer func() { fills.Release(*ahead) }() // what is left of it
	}
	mine, other := f.departFor(want, fill, !fill && !waited)
	if other != nil {
		select {
		case <-other.done:
			return true, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	defer f.land(mine)
	if !mine.covers(around) { // what it shares with others they keep
		ask := extent{min(want.lo, mine.lo), max(want.hi, mine.hi)}
		return false, f.fetchGap(ctx, mine.extent, ask, want, p, nil)
	}
	gaps := f.lacks(mine.extent)
	if fill && roomFor(gaps) > *ahead {
		return true, nil // some of it was given up meanwhile
	}
	at := want.lo
	for i, g := range gaps {
		next := want.hi
		if i+1 < len(gaps) {
			next = min(next, gaps[i+1].lo)
		}
		ask := g
		if ask.lo > at && ask.lo-at <= g.len()/little {
			ask.lo = at
		}
		if ask.hi < next && next-ask.hi <= g.len()/little {
			ask.hi = next
		}
		if ask.lo > at {
			if err := f.readHere(ctx, p[at-want.lo:min(ask.lo, want.hi)-want.lo], at); err != nil {
				return false, err
			}
		}
		if err := f.fetchGap(ctx, g, ask, want, p, ahead); err != nil {
			return false, err
		}
		at = max(at, ask.hi)
	}
	if at < want.hi {
		return false, f.readHere(ctx, p[at-want.lo:want.len()], at)
	}
	return false, nil
}

// little is the part of a gap that is fetched once more beside it, rather than read
// from a drive that is being written: the blocks that extents share.
const little = 64

// readHere reads what is on the drive, or on its way there. A flight around it keeps
// it there.
func (f *file) readHere(ctx context.Context, p []byte, off int64) error {
	for len(p) > 0 {
		n := f.copyPending(p, off)
		if n == 0 {
			var err error
			if n, err = f.readDrive(ctx, p, off); err != nil {
				return err
			}
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// copyPending reads from off on what is on its way to the drive, 0 bytes if that is
// something else.
func (f *file) copyPending(p []byte, off int64) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.pending {
		if w.lo <= off && off < w.hi {
			return copy(p, w.buf[off-w.lo:])
		}
	}
	return 0
}

// readDrive reads from off on what is on the drive.
func (f *file) readDrive(ctx context.Context, p []byte, off int64) (int, error) {
	f.gate.RLock()
	f.mu.Lock()
	if gaps := f.have.gaps(extent{off, off + int64(len(p))}); len(gaps) > 0 && gaps[0].lo > off {
		p = p[:gaps[0].lo-off]
	}
	d, err := f.open()
	there := f.have.covers(extent{off, off + int64(len(p))})
	f.mu.Unlock()
	switch {
	case err == nil && there:
		_, err = d.ReadAt(p, off)
	case err == nil:
		err = errors.New("it was not written after all")
	}
	f.gate.RUnlock()
	if err != nil {
		err = f.refetch(ctx, p, off, err)
	}
	return len(p), err
}

// refetch asks the place for what the drive has lost: the place still has it.
func (f *file) refetch(ctx context.Context, p []byte, off int64, why error) error {
	f.c.log.Error("cannot read the cache", "file", f.info.Name, "offset", off, "err", why)
	return f.c.upstream.Fetch(ctx, f.info, off, p)
}

// fetchGap fetches ask, in which is a gap: what p wants of it into p. The gap is
// kept. That it cannot be is no error: it was read.
func (f *file) fetchGap(ctx context.Context, gap, ask, want extent, p []byte, ahead *int64) error {
	var parts [][]byte
	if n := min(want.lo, ask.hi) - ask.lo; n > 0 {
		parts = append(parts, make([]byte, n))
	}
	if lo, hi := max(ask.lo, want.lo), min(ask.hi, want.hi); lo < hi {
		parts = append(parts, p[lo-want.lo:hi-want.lo])
	}
	if n := ask.hi - max(want.hi, ask.lo); n > 0 {
		parts = append(parts, make([]byte, n))
	}
	if err := f.c.upstream.Fetch(ctx, f.info, ask.lo, slices.Clone(parts)...); err != nil {
		return err
	}
	if c := f.c; c.writes && c.stopped.Load() == nil {
		c.behind.take(f, gap, ahead, ask.lo, parts)
	}
	return nil
}

// reserve takes n bytes of the limit.
func (c *Cache) reserve(n int64) bool {
	if c.used.Add(n) > c.limit && c.limit > 0 {
		c.used.Add(-n)
		return false
	}
	return true
}

// fail goes on without keeping what is fetched, and says so.
func (c *Cache) fail(name string, err error) {
	why := "cannot write to the cache, what is fetched from now on is not kept: "
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		why = "the drive of the cache is full, what is fetched from now on is not kept: "
	}
	why += source.OneLine(err).Error()
	if c.stopped.CompareAndSwap(nil, &why) {
		c.log.Warn(why, "file", name, "cache", c.dir)
	}
}
