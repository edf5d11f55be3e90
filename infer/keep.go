package infer

import (
	"math"
	"os"

	"expertfs/infer/weights"
)

// keeper decides how many bytes of experts stay mapped between uses. An expert
// that stays mapped need not be opened again; but a mount cannot give its memory
// to another one.
type keeper struct {
	folder *weights.Folder
	told   bool  // the mount is told which mapped experts are used
	fixed  bool  // the limit was given
	limit  int64 // bytes

	all     int64 // bytes of all experts
	cycle   int64 // bytes of the experts that one token uses
	budget  int64 // of the mount, when last asked
	short   bool  // the folder is a mount without room for all experts
	batches int   // since the mount was asked
}

// newKeeper returns a keeper with the given limit, or one that follows the
// mount's budget if it is MapAuto. Told says that the mount takes hints.
func newKeeper(folder *weights.Folder, limit int64, told bool) (*keeper, error) {
	k := &keeper{folder: folder, told: told, fixed: limit != MapAuto, limit: max(limit, 0)}
	size, err := folder.ExpertSize()
	if err != nil {
		return nil, err
	}
	page := int64(os.Getpagesize())
	size = (size + page - 1) / page * page // what a mount charges for it
	c := folder.Config()
	k.all, k.cycle = size*int64(c.Layers)*int64(c.Experts), size*int64(c.Layers)*int64(c.TopK)
	return k, k.ask()
}

// ask reads the mount's budget, which its owner may have changed.
func (k *keeper) ask() error {
	budget, mounted, err := k.folder.Budget()
	if err != nil {
		return err
	}
	if !mounted {
		budget = math.MaxInt64 // a plain folder's pages are the kernel's business
	}
	k.short = budget < k.all
	if !k.fixed && budget != k.budget {
		k.limit = keepBytes(budget, k.all, k.cycle)
		if k.short && !k.told {
			k.limit = 0 // opens are all that the mount sees
		}
	}
	k.budget = budget
	return nil
}

// keepBytes is the limit that suits a budget. Where all experts have room, all
// stay. Where most have, misses are few, and the mount needs only some freedom to
// choose what to evict. Below that the choice is worth more than the opens.
func keepBytes(budget, all, cycle int64) int64 {
	switch {
	case budget >= all:
		return math.MaxInt64
	case budget >= all/4*3:
		return max(budget-2*cycle, 0)
	}
	return 0
}

// askEvery is the number of batches (of generated tokens, mostly) after which
// the mount is asked for its budget again.
const askEvery = 64

// tick counts a batch.
func (k *keeper) tick() error {
	if k.batches++; k.batches < askEvery {
		return nil
	}
	k.batches = 0
	return k.ask()
}

// lower makes do with half of what was kept when the mount turned out to have no
// memory left for another expert.
func (k *keeper) lower(kept int64) { k.limit = min(k.limit, kept/2) }
