package diskcache

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"expertfs/checkpoint/source"
	"expertfs/checkpoint/source/remote"

	"golang.org/x/sys/unix"
)

// Options of Open.
type Options struct {
	Dir   string // of all caches; made when it is not there
	Limit int64  // bytes that this place may take, 0 for no limit
	Log   *slog.Logger

	latest    time.Duration // of a sync, 0 for syncLatest
	trimAfter time.Duration // 0 for the constant
	writing   func() error  // for tests: called before each write of what was fetched
}

// Cache is the cache of one place. It is a source.Folder.
type Cache struct {
	upstream  *remote.Folder
	listing   *remote.Listing
	dir       string // of this place
	limit     int64
	latest    time.Duration
	trimAfter time.Duration
	log       *slog.Logger

	lock   *os.File
	writes bool // this is the mount that writes
	begun  bool // there was no cache of the place before

	used     atomic.Int64                 // bytes of all files that are there
	stopped  atomic.Pointer[string]       // why nothing more is kept; nil while it is
	complete atomic.Bool                  // all that the checkpoint needs is there
	uses     atomic.Pointer[func() []Use] // what may be evicted, and its heat

	keeper keeper
	behind *behind // in use while writes

	ending sync.Once
	ended  error // of Close or Abandon, whichever came first

	mu sync.Mutex
	// GUARDED BY mu.
	files  map[string]*file // those that were asked for, or of which there is something
	wanted []string         // the checkpoint's own; nil before they are known
}

// Open opens the cache of a place, which it makes when there is none. The place is
// asked for its listing unless the cache is complete. Warnings are what the user
// should know. Close must be called.
func Open(upstream *remote.Folder, o Options) (c *Cache, warnings []string, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c = &Cache{
		upstream: upstream, limit: o.Limit, latest: cmp.Or(o.latest, syncLatest), trimAfter: cmp.Or(o.trimAfter, trimAfter), log: o.Log, files: map[string]*file{},
		dir: filepath.Join(o.Dir, folderName(upstream.Store())),
	}
	c.keeper.init(c)
	c.behind = newBehind(c, o.writing)
	if warning := c.claim(); warning != "" {
		warnings = append(warnings, warning)
	}
	more, err := c.load()
	if err != nil {
		return nil, warnings, errors.Join(err, c.Abandon())
	}
	warnings = append(warnings, more...)
	for _, w := range warnings {
		c.log.Warn(w)
	}
	if c.writes {
		c.keeper.start()
		c.behind.start()
	}
	return c, warnings, nil
}

func (c *Cache) control(name string) string { return filepath.Join(c.dir, controlDir, name) }

// claim makes this mount the one that writes, if there is none yet. Without a
// cache that can be written the checkpoint can be mounted all the same.
func (c *Cache) claim() (warning string) {
	err := os.MkdirAll(filepath.Join(c.dir, controlDir), 0o700)
	if err == nil {
		c.lock, err = os.OpenFile(c.control(lockName), os.O_RDWR|os.O_CREATE, 0o600)
	}
	writable := err == nil
	if !writable {
		// A cache that is complete is of use on a drive that cannot be written.
		if c.lock, _ = os.Open(c.control(lockName)); c.lock == nil {
			return c.stop(fmt.Sprintf("nothing is kept on a drive: %v", source.OneLine(err)))
		}
	}
	if writable && unix.Flock(int(c.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		if !c.lockIsThere() {
			// Who had it has removed a cache of nothing meanwhile.
			c.lock.Close()
			return c.claim()
		}
		c.writes = true
		return ""
	}
	if unix.Flock(int(c.lock.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		return "" // of a cache that is complete
	}
	return c.stop(fmt.Sprintf("another mount fills the cache %s: this one keeps nothing", c.dir))
}

// lockIsThere tells whether the lock is still the file of its name.
func (c *Cache) lockIsThere() bool {
	ours, err1 := c.lock.Stat()
	there, err2 := os.Stat(c.control(lockName))
	return err1 == nil && err2 == nil && os.SameFile(ours, there)
}

// stop notes why nothing more is kept, the first time.
func (c *Cache) stop(why string) string {
	c.stopped.CompareAndSwap(nil, &why)
	return why
}

// file returns the file of this name.
func (c *Cache) file(info *remote.File) *file {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.files[info.Name]
	if f == nil {
		f = newFile(c, info)
		c.files[info.Name] = f
	}
	return f
}

// Dir is where the cache lies.
func (c *Cache) Dir() string { return c.dir }

// Describe implements source.Folder.
func (c *Cache) Describe(name string) string { return c.upstream.Describe(name) }

// List implements source.Folder.
func (c *Cache) List() ([]string, error) { return c.listing.Names(""), nil }

// Listed returns the listing that the cache is of.
func (c *Cache) Listed() (*remote.Listing, error) { return c.listing, nil }

// Stat implements source.Folder.
func (c *Cache) Stat(name string) (source.Info, error) {
	info, err := c.listing.Stat(name)
	if err != nil {
		return info, &fs.PathError{Op: "stat", Path: c.Describe(name), Err: err}
	}
	return info, nil
}

// Open implements source.Folder.
func (c *Cache) Open(name string) (source.Source, error) {
	info, err := c.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Regular {
		return nil, fmt.Errorf("%s: %w", c.Describe(name), source.ErrNotRegular)
	}
	f := c.file(c.listing.Find(path.Clean(name)))
	f.mu.Lock()
	f.opened++
	f.mu.Unlock()
	return source.Ahead(&handle{file: f}), nil
}

// Close writes down what is there and ends. Who still reads a source has its bytes of
// the place, and they are not kept. To close it once more, or at the same time, is to
// wait for the end.
func (c *Cache) Close() error {
	c.ending.Do(func() { c.ended = c.release() })
	return c.ended
}

// Abandon is Close of a cache of a place in which there is no checkpoint. What was
// begun for it is removed: a name that was mistyped leaves nothing.
func (c *Cache) Abandon() error {
	c.ending.Do(func() { c.ended = c.remove() })
	return c.ended
}

func (c *Cache) remove() error {
	if !c.begun {
		return c.release()
	}
	names := []string{c.control(manifestName), c.control(journalName)}
	for _, f := range c.keeper.all() {
		names = append(names, f.path(), f.path()+partSuffix, filepath.Dir(f.path()))
	}
	c.behind.close()
	err := c.keeper.close()
	for _, name := range append(names, c.control(lockName), filepath.Join(c.dir, controlDir), c.dir) {
		_ = os.Remove(name) // folders that are not empty stay
	}
	return errors.Join(err, c.closeFiles())
}

// release gives back what there is, also after half an Open.
func (c *Cache) release() error {
	c.behind.close()
	return errors.Join(c.keeper.close(), c.closeFiles())
}

// closeFiles closes what is open, the lock last.
func (c *Cache) closeFiles() (err error) {
	for _, f := range c.keeper.all() {
		err = errors.Join(err, f.close())
	}
	if c.lock != nil {
		err = errors.Join(err, c.lock.Close())
	}
	return err
}

// Figures are what a cache holds. Bytes are those of the files.
type Figures struct {
	Cached   int64
	Limit    int64 // 0 for none
	Skipped  int64 // fetched, and not kept as the drive had more to write than memory was for
	Complete bool
	Stopped  string // why nothing more is kept, "" while it is
}

// Figures returns the figures of now.
func (c *Cache) Figures() Figures {
	f := Figures{Cached: c.used.Load(), Limit: c.limit, Skipped: c.behind.skipped.Load(), Complete: c.complete.Load()}
	if why := c.stopped.Load(); why != nil {
		f.Stopped = *why
	}
	return f
}
