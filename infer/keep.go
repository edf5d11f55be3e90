package infer

import (
	"math"

	"expertfs/infer/weights"
)

// keepBytes is how many bytes of experts stay mapped between uses, when the
// options leave it open, and whether the folder is a mount that is short of RAM.
// A plain folder's pages are the kernel's business, so all stay mapped there. A
// mount cannot reuse the memory of an expert that is mapped: all stay mapped only
// where all have room, and otherwise none, so that the choice of what to evict is
// the mount's.
func keepBytes(folder *weights.Folder) (keep int64, short bool, err error) {
	budget, mounted, err := folder.Budget()
	if err != nil || !mounted {
		return math.MaxInt64, false, err
	}
	all, err := folder.ExpertBytes()
	if err != nil || budget < all {
		return 0, true, err
	}
	return math.MaxInt64, false, nil
}
