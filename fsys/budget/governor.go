package budget

import (
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
)

// Governed is a cache whose budget a Governor moves.
type Governed interface {
	// Space returns the budget, and how much of it nothing has taken.
	Space() (budget, free int64, residents int)
	SetBudget(int64) error
	// SlotBytes is what one expert takes.
	SlotBytes() int64
}

// Governor keeps a cache's budget at what the memory that others leave allows. It
// shrinks the budget as soon as less is left, and lets it grow a little each second,
// when the cache is full and nobody was short of memory for a while.
//
// The kernel ends processes of a full control group at once, so a reserve is kept
// free: what somebody takes within a tick should not be more.
//
// Resume, SetByHand and Active may be called while Run runs.
type Governor struct {
	cache  Governed
	bounds Bounds
	log    *slog.Logger
	root   fs.FS
	levels *levels // of groups of version 1; nil elsewhere

	// setting is held while a budget is set, so that a step of Run never overwrites
	// one that was set by hand meanwhile. It comes before the cache's locks.
	setting sync.Mutex
	active  atomic.Bool // changed under setting

	// Of the one goroutine in Run.
	seen  int64     // Room.Shortages at the last tick
	calm  time.Time // from when on the budget may grow
	grown time.Time // when it last did
}

const (
	tick = 200 * time.Millisecond
	// calmAfter is how long after a shortage a budget does not grow.
	calmAfter = 10 * time.Second
	growEvery = time.Second
)

// NewGovernor returns a governor of a cache, which does nothing before Resume. Max
// may be what all experts take.
func NewGovernor(cache Governed, bounds Bounds, log *slog.Logger) *Governor {
	root := os.DirFS("/")
	return &Governor{cache: cache, bounds: bounds, log: log, root: root, levels: watchLevels(root)}
}

// Resume lets the budget follow the memory, from the next tick of Run on.
func (g *Governor) Resume() {
	g.setting.Lock()
	defer g.setting.Unlock()
	g.active.Store(true)
}

// SetByHand gives the cache a budget of so many bytes, which then stays until Resume.
// When it fails, the budget and whether it follows the memory are as before.
func (g *Governor) SetByHand(budget int64) error {
	g.setting.Lock()
	defer g.setting.Unlock()
	if err := g.cache.SetBudget(budget); err != nil {
		return err
	}
	g.active.Store(false)
	return nil
}

// Active tells whether the budget follows the memory.
func (g *Governor) Active() bool { return g.active.Load() }

// Run governs until done is closed.
func (g *Governor) Run(done <-chan struct{}) {
	defer g.levels.close()
	if r, err := readRoom(g.root); err == nil {
		g.seen = r.Shortages
	}
	for wait := tick; ; {
		select {
		case <-done:
			return
		case now := <-time.After(wait):
			// Who is short asks again soon.
			if wait = tick; now.Before(g.calm.Add(time.Second - calmAfter)) {
				wait = tick / 4
			}
			if !g.Active() {
				continue
			}
			r, err := readRoom(g.root)
			if err != nil {
				continue // the next tick may have it
			}
			r.Shortages += g.levels.count()
			g.follow(now, r)
		}
	}
}

// follow sets the budget to what the room allows, unless it was set by hand since
// the room was read.
func (g *Governor) follow(now time.Time, r Room) {
	g.setting.Lock()
	defer g.setting.Unlock()
	if !g.Active() {
		return
	}
	budget, free, _ := g.cache.Space()
	next := g.decide(now, r, budget, budget-free)
	if next == budget {
		return
	}
	if err := g.cache.SetBudget(next); err != nil {
		g.log.Warn("the budget cannot follow the memory", "budget", next, "err", err)
		g.calm = now.Add(calmAfter)
		return
	}
	g.log.Debug("the budget follows the memory", "budget", humanize.IBytes(uint64(next)),
		"was", humanize.IBytes(uint64(budget)), "free", r.Free, "limit", r.Limit)
}

// decide returns the next budget, in whole slots, of a cache that has taken used
// bytes of its budget.
func (g *Governor) decide(now time.Time, r Room, budget, used int64) int64 {
	slot := max(g.cache.SlotBytes(), 1)
	target := used + r.Free - r.reserve()
	if r.Shortages > g.seen {
		// The kernel was short, whatever the figures say.
		target = min(target, used-used/8)
	}
	if r.Shortages > g.seen || r.Free < r.reserve()/2 {
		g.calm = now.Add(calmAfter)
	}
	g.seen = r.Shortages
	target = g.bounds.clamp(target / slot * slot)
	if target < budget {
		return target
	}
	step := max(4*slot, r.Limit/64/slot*slot)
	full := used >= budget-budget/8
	if !full || target-budget < slot || now.Before(g.calm) || now.Sub(g.grown) < growEvery {
		return budget
	}
	g.grown = now
	return min(target, budget+step)
}
