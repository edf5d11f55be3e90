package diskcache

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"expertfs/checkpoint/source"
	"expertfs/checkpoint/view"

	"golang.org/x/sys/unix"
)

// evictFrom and evictTo are the shares of the limit from which experts are evicted,
// and down to which: what is fetched meanwhile finds room in between.
const (
	evictFrom = 0.95
	evictTo   = 0.90
)

// Use is a set of ranges that leave together, an expert, and how dear it is.
type Use struct {
	Heat   float64   // those with less leave first
	Last   time.Time // of equal heat, those used longer ago
	Ranges []Range
}

// Range is a range of a file.
type Range struct {
	file *file
	extent
}

// Ranges returns what a view consists of, of sources of this cache.
func Ranges(files []source.Source, v *view.View) (rs []Range) {
	for _, p := range v.Parts {
		for _, e := range p.From {
			if f := fileOf(files[e.File]); f != nil {
				rs = append(rs, Range{f, extent{e.Off, e.Off + e.Len}})
			}
		}
	}
	return rs
}

// fileOf returns the file of a source, nil for one that is not of a cache.
func fileOf(s source.Source) *file {
	switch h := source.Unwrap(s).(type) {
	case *handle:
		return h.file
	case *bulk:
		return h.file
	}
	return nil
}

// Evictable says what may be evicted beyond the limit. It is asked whenever that is
// due, from one goroutine.
func (c *Cache) Evictable(ask func() []Use) { c.uses.Store(&ask) }

// crowded tells whether it is time to evict.
func (c *Cache) crowded() bool {
	return c.limit > 0 && float64(c.used.Load()) > evictFrom*float64(c.limit)
}

// evict makes room for what is to come.
func (k *keeper) evict() {
	c := k.c
	ask := c.uses.Load()
	if ask == nil || !c.crowded() {
		return
	}
	uses := (*ask)()
	slices.SortStableFunc(uses, func(a, b Use) int {
		return cmp.Or(cmp.Compare(a.Heat, b.Heat), a.Last.Compare(b.Last))
	})
	for _, u := range uses {
		if float64(c.used.Load()) <= evictTo*float64(c.limit) {
			return
		}
		by := map[*file][]extent{}
		for _, r := range u.Ranges {
			if in := r.inside(); in.len() > 0 && r.file.hasSome(in) {
				by[r.file] = append(by[r.file], in)
			}
		}
		for f, es := range by {
			if err := k.forget(f, es); err != nil {
				c.fail(f.info.Name, err)
				return
			}
		}
	}
}

// hasSome tells whether a part of a range is here.
func (f *file) hasSome(e extent) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	gaps := f.have.gaps(e)
	return len(gaps) != 1 || gaps[0] != e
}

// forget gives ranges of a file up. A range that somebody is fetching, or that
// is on its way to the drive, stays.
func (k *keeper) forget(f *file, es []extent) error {
	c := k.c
	var flights []*flight
	var records []record
	for _, e := range es {
		if mine := f.departForGood(e); mine != nil {
			flights = append(flights, mine)
			records = append(records, record{true, f.info.Name, e})
		}
	}
	defer func() {
		for _, m := range flights {
			f.land(m)
		}
	}()
	if len(flights) == 0 {
		return nil
	}
	k.sync() // so that the journal has nothing to add of them
	f.mu.Lock()
	d, err := f.open()
	whole := f.whole
	for _, m := range flights {
		c.used.Add(-f.have.remove(m.extent))
	}
	f.mu.Unlock()
	if err != nil {
		return err
	}
	if whole {
		if d, err = k.reopen(f); err != nil {
			return err
		}
	}
	f.drain()
	if err := k.journal.write(records...); err != nil {
		return err
	}
	var errs []error
	for _, m := range flights {
		errs = append(errs, unix.Fallocate(int(d.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, m.lo, m.len()))
	}
	return errors.Join(errs...)
}

// reopen makes a whole file one of which a part is there, and the cache one that is
// not complete.
func (k *keeper) reopen(f *file) (*os.File, error) {
	c := k.c
	c.complete.Store(false)
	if err := k.journal.write(record{name: f.info.Name, extent: extent{0, f.info.Size}}); err != nil {
		return nil, err
	}
	if err := os.Rename(f.path(), f.path()+partSuffix); err != nil {
		return nil, err
	}
	if err := syncDir(filepath.Dir(f.path())); err != nil {
		return nil, err
	}
	f.gate.Lock() // nobody reads
	defer f.gate.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.data.Close(); err != nil {
		return nil, err
	}
	f.whole, f.data = false, nil
	return f.open()
}

// drain waits for the reads that have seen as there what is no longer.
func (f *file) drain() {
	f.gate.Lock()
	defer f.gate.Unlock()
}
