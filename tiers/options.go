package tiers

import (
	"log/slog"
	"time"

	"expertfs"
	"expertfs/policy"
	"expertfs/tiers/nvme"
	"expertfs/tiers/ram"
)

// SlotHook is told of the slots of both kinds of files. Born comes before
// anybody can open the slot, Dead before it is closed, each once. Both may be
// called from several goroutines, and must not call the cache.
type SlotHook interface {
	Born(*ram.Slot)
	Dead(*ram.Slot)
}

// Options of a Cache. Only Budget must be set.
type Options struct {
	Budget int64 // bytes for experts
	// DenseBytes bounds what dense files take in RAM beside the budget; 0 is no
	// bound.
	DenseBytes int64
	Policy     string // of eviction, as policy.New reads it; "" is policy.Default
	Seed       uint64 // for the policies that draw random numbers

	// High and Low are shares of the budget: a background task evicts when
	// more than High is in use, until Low is. By default both are 1: see
	// Watermarks in evict.go.
	High, Low float64

	MaxWait       time.Duration // how long an open waits for a slot; 0 is DefaultMaxWait
	CrowdWait     time.Duration // the same for one whose reader holds less than its part; 0 is DefaultCrowdWait
	PrefetchBytes int64         // bound on prefetches under way; 0 is the default
	NoForecast    bool          // prefetch on readers' hints alone, see prefetch.go

	// Trace, when set, gets every step, and the end of each stream. It is called
	// by one goroutine, in the order in which they happened, for the last time
	// before Close returns. The token is left out.
	Trace func(expertfs.TraceStep)
	// Shadows are policies of which Stats tells what they would have hit.
	Shadows []string
	// Heat is what an earlier run has learned, nil for nothing. It belongs to
	// the cache until that is closed.
	Heat *policy.Heat
	// Learned is what the policy of an earlier run has learned, if anything. It
	// belongs to the cache as well. A policy of another kind begins anew.
	Learned policy.Learned

	NoHuge   bool     // do without huge pages
	Memfd    bool     // do without a tmpfs
	SlotHook SlotHook // may be nil
	NVMe     nvme.Options
	Log      *slog.Logger // nil logs nothing

	checked bool // check the invariants after every change
}

// DefaultMaxWait is long enough for readers to finish with an expert, and short
// enough for a reader that holds all slots itself to learn of it.
const DefaultMaxWait = 5 * time.Second

// DefaultCrowdWait is long enough for readers that follow their share to let go:
// one that stands still looks at it ten times a second.
const DefaultCrowdWait = 250 * time.Millisecond

// setDefaults fills in what was left out.
func (o *Options) setDefaults() {
	if o.Policy == "" {
		o.Policy = policy.Default
	}
	if o.High <= 0 || o.High > 1 {
		o.High = 1
	}
	if o.Low <= 0 || o.Low > o.High {
		o.Low = o.High
	}
	if o.MaxWait <= 0 {
		o.MaxWait = DefaultMaxWait
	}
	if o.CrowdWait <= 0 {
		o.CrowdWait = DefaultCrowdWait
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}
