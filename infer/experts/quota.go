package experts

import (
	"errors"
	"math"
)

// Values of Options.Keep that are no sizes.
const (
	KeepAuto = 0  // what suits the folder: see keepBytes
	KeepNone = -1 // every expert is unmapped after its use
)

// quota decides how many bytes of experts stay mapped between uses. An expert
// that stays mapped need not be opened again; but a mount cannot give its memory
// to another one.
//
// The limit is the least of three: what the user has set; what the mount allows,
// its share for this process, or what keepBytes makes of its budget if it has no
// shares; and a ceiling that falls when there was no room for what was kept.
type quota struct {
	folder *folder
	share  *share
	hinted bool  // the mount is told which mapped experts are used
	fixed  bool  // the user has set the most
	most   int64 // bytes

	size    int64 // of an expert, as a mount charges it
	limit   int64 // bytes; what follows from the rest
	ceiling int64
	all     int64 // bytes of all experts
	cycle   int64 // bytes of the experts that one token uses
	budget  int64 // of the mount, when last asked
	short   bool  // the folder is a mount without room for all experts
	lowered bool  // in this batch
	batches int   // since the mount was asked for its budget
}

// newQuota returns a quota with the given limit, or one that follows the mount
// if it is KeepAuto. A token uses topK experts of each layer. Hinted says that the
// mount takes hints.
func newQuota(f *folder, topK int, limit int64, hinted bool) (*quota, error) {
	q := &quota{folder: f, share: &share{}, hinted: hinted, fixed: limit != KeepAuto, most: max(limit, 0)}
	size, err := f.expertSize()
	if err != nil {
		return nil, err
	}
	size = wholePages(size) // what a mount charges for it
	layers := int64(f.names.Layers)
	q.size = size
	q.all, q.cycle = size*layers*int64(f.names.Experts), size*layers*int64(topK)
	if limit != KeepNone {
		q.share = openShare(f)
	}
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
	if budget != q.budget {
		q.ceiling = math.MaxInt64
	}
	q.budget = budget
	q.follow()
	return nil
}

// follow asks for the share, and has the limit follow.
func (q *quota) follow() {
	share, shared := q.share.ask()
	switch {
	case q.fixed:
		q.limit = q.most
	case q.short && !q.hinted:
		q.limit = 0 // opens are all that the mount sees
	case shared:
		q.limit = share
	default:
		q.limit = keepBytes(q.budget, q.all, q.cycle)
	}
	if shared {
		q.limit = min(q.limit, share)
	}
	q.limit = min(q.limit, q.ceiling)
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

// begin is called when a batch begins.
func (q *quota) begin() error {
	q.lowered = false
	if q.batches++; q.batches <= askEvery {
		q.follow()
		return q.share.gone
	}
	q.batches = 0
	return errors.Join(q.ask(), q.share.gone)
}

// lower makes do with half of what was kept when something was short: open files,
// or memory of a mount that knows no shares. It does so once in a batch, in which
// several opens may be refused for one reason.
func (q *quota) lower(kept int64) {
	if kept == 0 || q.lowered {
		return // what was kept is not what is short
	}
	q.lowered = true
	q.ceiling = min(q.ceiling, kept/2)
	q.limit = min(q.limit, q.ceiling)
}

// shared tells whether the mount has shares.
func (q *quota) shared() bool { return q.share.f != nil }

func (q *quota) close() error { return q.share.close() }
