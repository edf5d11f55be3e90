package diskcache

import (
	"cmp"
	"context"
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

	latest  time.Duration // of a sync, 0 for syncLatest
	writing func() error  // for tests: called before each write of what was fetched
}

// Cache is the cache of one place. It is a source.Folder.
type Cache struct {
	upstream *remote.Folder
	listing  *remote.Listing
	dir      string // of this place
	limit    int64
	latest   time.Duration
	log      *slog.Logger

	lock   *os.File
	writes bool // this is the mount that writes
	begun  bool // there was no cache of the place before

	used     atomic.Int64                 // bytes of all files that are there
	stopped  atomic.Pointer[string]       // why nothing more is kept; nil while it is
	complete atomic.Bool                  // all that the checkpoint needs is there
	uses     atomic.Pointer[func() []Use] // what may be evicted, and its heat

	keeper keeper
	behind *behind // in use while writes

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
		upstream: upstream, limit: o.Limit, latest: cmp.Or(o.latest, syncLatest), log: o.Log, files: map[string]*file{},
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

// load learns what is in the place and what of it is here.
func (c *Cache) load() (warnings []string, err error) {
	var m *manifest
	if c.stopped.Load() == nil {
		if m, err = readManifest(c.control(manifestName)); err != nil {
			return nil, err
		}
	}
	if m == nil {
		return nil, c.begin()
	}
	if m.Key != c.upstream.Store().Key() {
		return nil, fmt.Errorf("%s: is the cache of another place, %s: remove %s, and it is fetched anew", c.control(manifestName), m.Place, c.dir)
	}
	records, good, err := readJournal(c.control(journalName))
	if err != nil {
		warnings = append(warnings, fmt.Sprintf("the journal of the cache %s is damaged, what it says is not used: %v", c.dir, err))
		records, good = nil, 0
	}
	have := replay(records)
	lost := c.takeAll(m.Listing.Files, have)
	c.wanted = m.Wanted
	c.complete.Store(c.hasWanted())
	if !c.complete.Load() {
		warning, err := c.compare(m)
		if err != nil {
			return warnings, err
		} else if warning != "" {
			warnings = append(warnings, warning)
		}
	}
	c.listing = m.Listing
	c.upstream.Use(m.Listing)
	if !c.writes {
		if !c.complete.Load() {
			warnings = append(warnings, c.stop(fmt.Sprintf("the cache %s cannot be written now: what it lacks is not kept", c.dir)))
		}
		return warnings, nil
	}
	if c.complete.Load() {
		c.share()
	}
	if lost || len(records) > 1000 && len(records) > 4*count(have) {
		if good, err = rewriteJournal(c.control(journalName), have); err != nil {
			return warnings, err
		}
	}
	c.keeper.journal, err = openJournal(c.control(journalName), good)
	return warnings, err
}

func count(have map[string]extents) (n int) {
	for _, s := range have {
		n += len(s)
	}
	return n
}

// begin asks the place what it holds and begins a cache of that.
func (c *Cache) begin() (err error) {
	c.begun = c.writes
	if c.listing, err = c.upstream.Listing(context.Background()); err != nil || !c.writes {
		return err
	}
	if err = c.clear(); err == nil {
		c.keeper.journal, err = openJournal(c.control(journalName), len(journalHead))
	}
	if err == nil {
		err = c.saveManifest()
	}
	if err != nil {
		c.writes = false
		c.log.Warn(c.stop(fmt.Sprintf("nothing is kept on a drive: %v", source.OneLine(err))))
	}
	return nil
}

// clear removes what an earlier cache has left: it is of no known content. That is
// durable before a manifest says what the files are of.
func (c *Cache) clear() error {
	for _, info := range c.listing.Files {
		f := newFile(c, info)
		for _, path := range []string{f.path(), f.path() + partSuffix} {
			err := os.Remove(path)
			if err == nil {
				err = syncDir(filepath.Dir(path))
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
				return err
			}
		}
	}
	return replaceFile(c.control(journalName), []byte(journalHead))
}

func (c *Cache) saveManifest() error {
	s := c.upstream.Store()
	m := manifest{Version: manifestVersion, Place: s.Name(), Key: s.Key(), Wanted: c.wanted, Listing: c.listing}
	return m.write(c.control(manifestName))
}

// compare asks a place whether it still holds what the cache is of. Files of which
// nothing is here may have changed. A place that is out of reach is taken to be the
// same: each request says what it wants.
func (c *Cache) compare(m *manifest) (warning string, err error) {
	if m.Listing.Revision != "" {
		return "", nil // which stays what it is
	}
	now, err := c.upstream.Ask(context.Background())
	if err != nil && remote.Unreachable(err) {
		return fmt.Sprintf("offline, what the cache lacks cannot be read: %v", err), nil
	} else if err != nil {
		return "", err
	}
	for _, old := range m.Listing.Files {
		is := now.Find(old.Name)
		if is != nil && is.Same(old) {
			continue
		}
		if c.files[old.Name] == nil {
			continue
		}
		return "", fmt.Errorf("%s: %w, and the cache holds some of the old one: remove %s to fetch it anew",
			c.upstream.Describe(old.Name), remote.ErrChanged, c.dir)
	}
	// Files that are here go on to be known by the entry that they were taken with.
	for i, is := range now.Files {
		if f := c.files[is.Name]; f != nil {
			now.Files[i] = f.info
		}
	}
	m.Listing = now
	if !c.writes {
		return "", nil
	}
	return "", m.write(c.control(manifestName))
}

// takeAll makes the files of which something is here. lost says that the journal has
// ranges of files that are gone: it must forget them before another file has that
// name, of which they are not. They are taken off have.
func (c *Cache) takeAll(files []*remote.File, have map[string]extents) (lost bool) {
	for _, info := range files {
		c.take(info, have[info.Name])
	}
	for name, s := range have {
		if len(s) > 0 && c.files[name] == nil {
			delete(have, name)
			lost = true
		}
	}
	return lost
}

// take makes a file of which something may be here.
func (c *Cache) take(info *remote.File, have extents) {
	f := newFile(c, info)
	whole := extent{0, info.Size}
	if s, err := os.Stat(f.path()); err == nil && s.Mode().IsRegular() && s.Size() == info.Size {
		f.whole = true
		f.have.add(whole)
	} else if s, err := os.Stat(f.path() + partSuffix); err == nil && s.Size() == info.Size && len(have) > 0 {
		for _, e := range have {
			if e.hi <= info.Size {
				f.have.add(e)
			}
		}
	} else {
		return
	}
	c.used.Add(f.have.total())
	c.files[info.Name] = f
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

// Close writes down what is there and ends. The sources must not be read any more.
func (c *Cache) Close() error { return c.release() }

// Abandon ends a cache of a place in which there is no checkpoint. What was begun for
// it is removed: a name that was mistyped leaves nothing.
func (c *Cache) Abandon() error {
	if !c.begun {
		return c.release()
	}
	names := []string{c.control(manifestName), c.control(journalName)}
	for _, f := range c.files {
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
	for _, f := range c.files {
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
