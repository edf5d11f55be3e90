package diskcache

import (
	"slices"
	"sort"
)

// block is what ranges consist of, bytes.
const block = 4096

// extent is the range [lo, hi) of a file.
type extent struct{ lo, hi int64 }

func (e extent) len() int64 { return e.hi - e.lo }

func (e extent) covers(o extent) bool { return e.lo <= o.lo && o.hi <= e.hi }

func (e extent) overlaps(o extent) bool { return e.lo < o.hi && o.lo < e.hi }

// outside returns the least range of whole blocks around e, in a file of size bytes.
func (e extent) outside(size int64) extent {
	return extent{e.lo / block * block, min((e.hi+block-1)/block*block, size)}
}

// inside returns the greatest range of whole blocks in e, which may be none.
func (e extent) inside() extent {
	in := extent{(e.lo + block - 1) / block * block, e.hi / block * block}
	in.hi = max(in.lo, in.hi)
	return in
}

// extents is a set of ranges: sorted, none of them touches the next.
type extents []extent

// from returns the index of the first range that ends at off or after it.
func (s extents) from(off int64) int {
	return sort.Search(len(s), func(i int) bool { return s[i].hi >= off })
}

// add adds a range and returns how many bytes it adds to the set.
func (s *extents) add(e extent) (more int64) {
	if e.len() <= 0 {
		return 0
	}
	i := s.from(e.lo)
	j := i
	more = e.len()
	joined := e
	for ; j < len(*s) && (*s)[j].lo <= e.hi; j++ {
		o := (*s)[j]
		more -= max(0, min(o.hi, e.hi)-max(o.lo, e.lo))
		joined = extent{min(joined.lo, o.lo), max(joined.hi, o.hi)}
	}
	*s = slices.Replace(*s, i, j, joined)
	return more
}

// remove takes a range off and returns how many bytes that were.
func (s *extents) remove(e extent) (less int64) {
	if e.len() <= 0 {
		return 0
	}
	var rest []extent
	i := s.from(e.lo)
	j := i
	for ; j < len(*s) && (*s)[j].lo < e.hi; j++ {
		o := (*s)[j]
		less += max(0, min(o.hi, e.hi)-max(o.lo, e.lo))
		if o.lo < e.lo {
			rest = append(rest, extent{o.lo, min(o.hi, e.lo)})
		}
		if o.hi > e.hi {
			rest = append(rest, extent{max(o.lo, e.hi), o.hi})
		}
	}
	*s = slices.Replace(*s, i, j, rest...)
	return less
}

// covers tells whether all of a range is in the set.
func (s extents) covers(e extent) bool {
	if e.len() <= 0 {
		return true
	}
	i := s.from(e.lo + 1)
	return i < len(s) && s[i].lo <= e.lo && s[i].hi >= e.hi
}

// gaps returns what of a range is not in the set.
func (s extents) gaps(e extent) (gaps []extent) {
	at := e.lo
	for _, o := range s[s.from(e.lo):] {
		if o.lo >= e.hi {
			break
		}
		if o.lo > at {
			gaps = append(gaps, extent{at, o.lo})
		}
		at = max(at, o.hi)
	}
	if at < e.hi {
		gaps = append(gaps, extent{at, e.hi})
	}
	return gaps
}

// total is the number of bytes in the set.
func (s extents) total() (n int64) {
	for _, e := range s {
		n += e.len()
	}
	return n
}
