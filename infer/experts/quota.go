package experts

import (
	"math"
	"os"
)

// Values of Options.Keep that are no sizes.
const (
	KeepAuto = 0  // what suits the folder: see keepBytes
	KeepNone = -1 // every expert is unmapped after its use
)

// quota decides how many bytes of experts stay mapped between uses. An expert
// that stays mapped need not be opened again; but a mount cannot give its memory
// to another one.
type quota struct {
	folder *folder
	hinted bool  // the mount is told which mapped experts are used
	fixed  bool  // the limit was given
	limit  int64 // bytes

	all     int64 // bytes of all experts
	cycle   int64 // bytes of the experts that one token uses
	budget  int64 // of the mount, when last asked
	short   bool  // the folder is a mount without room for all experts
	batches int   // since the mount was asked
}

// newQuota returns a quota with the given limit, or one that follows the mount's
// budget if it is KeepAuto. A token uses topK experts of each layer. Hinted says
// that the mount takes hints.
func newQuota(f *folder, topK int, limit int64, hinted bool) (*quota, error) {
	q := &quota{folder: f, hinted: hinted, fixed: limit != KeepAuto, limit: max(limit, 0)}
	size, err := f.expertSize()
	if err != nil {
		return nil, err
	}
	page := int64(os.Getpagesize())
	size = (size + page - 1) / page * page // what a mount charges for it
	layers := int64(f.names.Layers)
	q.all, q.cycle = size*layers*int64(f.names.Experts), size*layers*int64(topK)
	return q, q.ask()
}

// ask reads the mount's budget, which its owner may have changed.
func (q *quota) ask() error {
	budget, mounted, err := q.folder.budget()
	if err != nil {
		return err
	}
	if !mounted {
		budget = math.MaxInt64 // a plain folder's pages are the kernel's business
	}
	q.short = budget < q.all
	if !q.fixed && budget != q.budget {
		q.limit = keepBytes(budget, q.all, q.cycle)
		if q.short && !q.hinted {
			q.limit = 0 // opens are all that the mount sees
		}
	}
	q.budget = budget
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
func (q *quota) tick() error {
	if q.batches++; q.batches < askEvery {
		return nil
	}
	q.batches = 0
	return q.ask()
}

// lower makes do with half of what was kept when the mount turned out to have no
// memory left for another expert.
func (q *quota) lower(kept int64) { q.limit = min(q.limit, kept/2) }
