package checkpoint

import "expertfs"

// What Beside joins: pieces of experts to ranges of at most besideMost bytes, and of at
// most a part of an expert, so that what is read for others costs little beside a request.
const (
	besideMost  = 256 << 10
	besidePart  = 32
	besideFewer = 2 // pieces that a range has at least
)

// Beside returns ranges of Files that hold small pieces of several experts side by side, as
// the biases of a layer are stored: an expert of gpt-oss-20b is four ranges of megabytes, or
// nearly, and two of 6 and 12 KB. Who fetches them by requests saves most of those by
// fetching each range as a whole: see diskcache.Cache.Together.
func (c *Checkpoint) Beside() (all []Extent) {
	cfg := c.Config()
	most := min(besideMost, c.expertSize/besidePart)
	for layer := range cfg.Layers {
		first := c.Expert(expertfs.NewKey(layer, 0)).Extents()
		last := c.Expert(expertfs.NewKey(layer, cfg.Experts-1)).Extents()
		for i, e := range first {
			n := int64(cfg.Experts)
			if len(first) != len(last) || e.Len == 0 || last[i].File != e.File || last[i].Off != e.Off+(n-1)*e.Len {
				continue // they do not lie side by side
			}
			each := most / e.Len
			if each < besideFewer {
				continue
			}
			ranges := (n + each - 1) / each
			for r := range ranges {
				from, to := n*r/ranges, n*(r+1)/ranges
				all = append(all, Extent{File: e.File, Off: e.Off + from*e.Len, Len: (to - from) * e.Len})
			}
		}
	}
	return all
}
