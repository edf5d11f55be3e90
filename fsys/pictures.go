package fsys

import (
	"bytes"
	"fmt"
	"math/bits"

	"expertfs"
	"expertfs/tiers"
)

// expertsTable is the content of experts.tsv: a line for each expert.
func (f *FS) expertsTable() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("layer\texpert\ttier\thits\tloads\tlast_access\n")
	for l := range f.tree.Layers {
		for e := range f.tree.Experts {
			info := f.cache.Expert(expertfs.NewKey(l, e))
			fmt.Fprintf(&b, "%d\t%d\t%s\t%d\t%d\t%s\n", l, e, info.Tier, info.Hits, info.Loads, formatAccess(info.LastAccess))
		}
	}
	return b.Bytes(), nil
}

// The heat of an expert is drawn by one of these, the first for one that was
// never used, each further one for twice as many uses: experts in RAM by bars,
// those on the drive by letters of ever more ink.
var (
	ramHeat  = []rune("▁▂▃▄▅▆▇█")
	nvmeHeat = []rune("·.:-=+*#")
)

// heatmap draws a row for each layer and a character for each expert.
func (f *FS) heatmap() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "in RAM %s  on the drive %s  (never used; then more uses to the right, each mark for twice as many)\n\n",
		string(ramHeat), string(nvmeHeat))
	for l := range f.tree.Layers {
		fmt.Fprintf(&b, "%s ", f.tree.Layer(l))
		resident := 0
		for e := range f.tree.Experts {
			info := f.cache.Expert(expertfs.NewKey(l, e))
			if info.Tier == "ram" {
				resident++
			}
			b.WriteRune(heat(info))
		}
		fmt.Fprintf(&b, " %d\n", resident)
	}
	return b.Bytes(), nil
}

// heat is the mark of an expert. Its uses are its hits and the opens that waited
// for a load; a load that nobody has used yet was a prefetch.
func heat(info tiers.ExpertInfo) rune {
	scale := nvmeHeat
	if info.Tier == "ram" {
		scale = ramHeat
	}
	if info.LastAccess.IsZero() {
		return scale[0]
	}
	return scale[min(bits.Len64(uint64(info.Hits+info.Loads)), len(scale)-1)]
}
