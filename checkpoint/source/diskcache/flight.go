package diskcache

import (
	"cmp"
	"slices"
	"sort"

	"expertfs/checkpoint/source"
	"expertfs/checkpoint/view"
)

// flight is a range that nobody else fetches or evicts.
type flight struct {
	extent
	done chan struct{}
}

// Together has the cache fetch all of a range when a part of it is read and nothing of it
// is there: small pieces that lie side by side, of which each would cost a request. Of
// ranges that overlap one is taken. files are those that the ranges are of.
func (c *Cache) Together(files []source.Source, ranges []view.Extent) {
	by := map[*file][]extent{}
	for _, r := range ranges {
		if f := fileOf(files[r.File]); f != nil {
			by[f] = append(by[f], extent{r.Off, r.Off + r.Len})
		}
	}
	for f, all := range by {
		slices.SortFunc(all, func(a, b extent) int { return cmp.Compare(a.lo, b.lo) })
		all = slices.CompactFunc(all, func(a, b extent) bool { return a.overlaps(b) })
		f.mu.Lock()
		f.together = all
		f.mu.Unlock()
	}
}

// togetherWith returns the range of Together that another one lies in, none where it could
// not be kept.
func (f *file) togetherWith(e extent) extent {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := sort.Search(len(f.together), func(i int) bool { return f.together[i].hi >= e.hi })
	if i == len(f.together) || !f.together[i].covers(e) {
		return extent{}
	}
	c, all := f.c, f.together[i]
	if !c.writes || c.stopped.Load() != nil || c.limit > 0 && c.used.Load()+all.len() > c.limit {
		return extent{}
	}
	return all
}

// departFor makes a flight of what is fetched and kept for a range, or returns one that is
// in its way. That is the blocks around the range, or
//
//   - for a part of Together all of that, if that is asked for and nothing of it is here;
//   - where others are about to fetch a block that they share with the range, which they
//     then keep, the others, if nothing of them is here. So who reads one expert does not
//     wait for who reads the next one.
//
// Fill has its own order, and waits.
func (f *file) departFor(want extent, fill, together bool) (mine, other *flight) {
	if all := f.togetherWith(want); all.len() > 0 && together {
		for _, e := range []extent{all.outside(f.info.Size), all.inside()} {
			if mine = f.departAlone(e, want); mine != nil {
				return mine, nil
			}
		}
	}
	if mine, other = f.depart(want.outside(f.info.Size)); mine != nil || fill {
		return mine, other
	}
	in, out := want.inside(), want.outside(f.info.Size)
	for _, e := range []extent{{in.lo, out.hi}, {out.lo, in.hi}, in} {
		if mine = f.departAlone(e, in); mine != nil {
			return mine, nil
		}
	}
	return nil, other
}

// departAlone makes a flight of a range around want of which nothing is here, nil where that
// cannot be.
func (f *file) departAlone(e, want extent) *flight {
	if want.len() <= 0 || !e.covers(want) || !f.lacksAll(e) {
		return nil
	}
	mine, _ := f.depart(e)
	if mine != nil && !f.lacksAll(e) { // it was fetched meanwhile
		f.land(mine)
		return nil
	}
	return mine
}

func (f *file) lacksAll(e extent) bool {
	gaps := f.lacks(e)
	return len(gaps) == 1 && gaps[0] == e
}

// departForGood makes a range a flight that is to be given up. One that is on its way
// to the drive is not.
func (f *file) departForGood(e extent) (mine *flight) {
	mine, other := f.depart(e)
	if other != nil {
		return nil
	}
	f.mu.Lock()
	busy := slices.ContainsFunc(f.pending, func(w *write) bool { return w.overlaps(e) })
	f.mu.Unlock()
	if busy {
		f.land(mine)
		return nil
	}
	return mine // nothing is fetched within it
}

// depart makes a range a flight, or returns one that is in its way.
func (f *file) depart(e extent) (mine, other *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.flights {
		if o.overlaps(e) {
			return nil, o
		}
	}
	mine = &flight{e, make(chan struct{})}
	f.flights = append(f.flights, mine)
	return mine, nil
}

// land ends a flight.
func (f *file) land(mine *flight) {
	f.mu.Lock()
	f.flights = slices.Delete(f.flights, slices.Index(f.flights, mine), slices.Index(f.flights, mine)+1)
	f.mu.Unlock()
	close(mine.done)
}
