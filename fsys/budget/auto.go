package budget

import (
	"fmt"
	"os"
	"strings"

	"expertfs"
)

// Auto, as a size, stands for a budget that follows the free memory. Bounds may stand
// behind it: "auto:2GiB-8GiB".
const Auto = "auto"

// Bounds are the least and the most that a budget may be, in bytes; a Max of 0 is no
// bound.
type Bounds struct{ Min, Max int64 }

// ParseAuto reads "auto" or "auto:MIN-MAX"; ok tells whether s is such a size.
func ParseAuto(s string) (b Bounds, ok bool, err error) {
	s = strings.TrimSpace(s)
	if s == Auto {
		return b, true, nil
	}
	rest, ok := strings.CutPrefix(s, Auto+":")
	if !ok {
		return b, false, nil
	}
	least, most, both := strings.Cut(rest, "-")
	if both {
		if b.Min, err = expertfs.ParseSize(least); err == nil {
			b.Max, err = expertfs.ParseSize(most)
		}
	}
	if !both || err != nil || b.Max < b.Min || b.Max == 0 {
		return b, true, fmt.Errorf("size %q: want auto, or auto:MIN-MAX with sizes like 6GiB", s)
	}
	return b, true, nil
}

// clamp returns n within the bounds.
func (b Bounds) clamp(n int64) int64 {
	if b.Max > 0 {
		n = min(n, b.Max)
	}
	return max(n, b.Min)
}

// reserve is what is left free for others: a sixteenth of what there is, 64 MiB at
// least, of which a small control group has not so much to leave.
func (r Room) reserve() int64 {
	return min(max(r.Limit/16, 64*mebi), 1<<30, max(r.Limit/4, 0))
}

// Start returns the budget to begin with, when beside it dense files and others may
// take so many bytes.
func (b Bounds) Start(beside int64) (int64, error) {
	r, err := readRoom(os.DirFS("/"))
	if err != nil {
		return 0, err
	}
	return b.clamp(max(r.Free-r.reserve()-beside, r.Free/4)), nil
}
