package diskcache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"expertfs/checkpoint/source"
	"expertfs/checkpoint/source/remote"

	"golang.org/x/sys/unix"
)

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
		if !c.complete.Load() && c.stopped.Load() == nil {
			warnings = append(warnings, c.stop(fmt.Sprintf("the cache %s cannot be written now: what it lacks is not kept", c.dir)))
		}
		return warnings, nil
	}
	if c.complete.Load() {
		c.share()
	}
	if lost || len(records) > 1000 && len(records) > 4*count(have) {
		good, err = rewriteJournal(c.control(journalName), have)
	}
	if err == nil {
		c.keeper.journal, err = openJournal(c.control(journalName), good)
	}
	if err != nil {
		warnings = append(warnings, c.onlyRead(err))
	}
	return warnings, nil
}

// onlyRead has a cache of which files cannot be written serve what it holds.
func (c *Cache) onlyRead(err error) (warning string) {
	c.writes = false
	return c.stop(fmt.Sprintf("the cache %s cannot be written, what it lacks is not kept: %v", c.dir, source.OneLine(err)))
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
	if err := m.write(c.control(manifestName)); err != nil {
		return c.onlyRead(err), nil
	}
	return "", nil
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
