// Package tiers joins the NVMe tier and the RAM tier to a cache of experts.
//
// # The life of an expert
//
//	absent ----> loading ----> resident
//	  ^             |             |
//	  +--- failed --+             |
//	  +--------- evicted ---------+
//
// An open of an absent expert begins a load, and every open that comes while
// it lasts waits for the same one. The load gets a place for a slot (a free one,
// a new one within the budget, or a victim's, whose slot is closed and made
// anew while the drive is at work), reads the expert into it, and makes it
// resident. The opens that waited have it pinned then. Loads that find no place
// stand in the wait queue, at most Options.MaxWait. A reader that others crowd out
// waits Options.CrowdWait and is then told to read from the drive (crowd.go).
//
// A resident expert is pinned while a Handle is open, and stays in use while any
// process maps its slot, which outlives the descriptor and which nobody tells us
// of. What is in use is never evicted: forgetting it would free no memory, and
// whoever opens it next would need a second copy. What is evicted gives up its
// room: its slot is closed, and the load that takes the room makes another (see
// package ram for why none is written to twice).
//
// # Budget
//
// All experts of a model have the same length, so the budget is a number of
// slots. Every slot counts, from before it is made until it is closed: those
// of residents, pinned or not, of loads, and the free ones. When the budget
// shrinks, slots are closed at once as far as nobody uses them, and the rest
// as soon as they are let go.
//
// Dense files lie outside the budget, in a tmpfs of their own, bounded by
// Options.DenseBytes. They are loaded at their first OpenDense, and leave a minute
// after their last user, or for another one that needs the room. ReadDense reads
// them past the RAM tier.
//
// # Parts
//
// One lock is right: there are some thousand experts, and a change takes
// microseconds. Under it stand parts that can be read alone, the lower ones
// without those above:
//
//	Open, Handle      what callers have: open.go, reader.go; straight.go for what goes past RAM
//	Cache             the front: new.go makes it, cache.go has its policy, stats.go and live.go its figures
//	keeper            budget.go: keeps the cache within the budget, and looks after who waits
//	shares            share.go: what a reader may keep mapped; crowd.go: whom others crowd out
//	prefetcher        prefetch.go: loads before use, by hints, by the policy's forecast, into an empty RAM
//	dense files       dense.go: their room, and when they leave
//	announced steps   announced.go: loads that begin before the opens
//	loader            loader.go: one load a file, the wait queue, promotion; carry.go: how a load is carried out, errors
//	evictor           evict.go: the policy, and what may not leave
//	filler            fill.go: beside the lock, slots are made, some before they are needed, and filled
//	observer          observe.go, events.go, debug.go: counters, heat, shadow policies, trace, log
//	table             table.go, entry.go: residents, pins, uses; residency.go, the page that shows them
//	streams           stream.go: readers' steps, positions, clocks
//	slots             slots.go: places within the budget: free, in use, retiring
//
// A miss goes open, loader, evictor, loader, filler, package nvme (job, worker), and
// back by the loader to the open that waits.
//
// # Lock order
//
//	resizing, Seldom.mu < guard < the locks of events, nvme.Reader and the SlotHook
//
// Whoever holds one of these locks takes none that stands to its left. The lock that
// guards the shadow policies, events.shadowing, is taken while none of them is held, and
// so is filler.stocking, which is held while slots are prepared.
//
// Fields below a comment GUARDED BY guard need it. The methods of the parts are called
// with it, unless they say otherwise: those of the loader that carry out a load run
// beside it, and take it. No method of a Policy takes it.
//
// # Invariants
//
// checkInvariants holds them after every change in tests and under the build
// tag invariants.
//
//	INVARIANT 1: slots x charge <= budget, unless the budget has just shrunk and the excess is in use.
//	INVARIANT 2: an expert is absent (no slot, no load), loading (a load) or resident (a slot), and residents counts the last.
//	INVARIANT 3: no slot is used twice: each is free, a resident's, a load's, or retiring, and together they are all the slots.
//	INVARIANT 4: handles are open on residents only, and pinned counts the residents with any.
//	INVARIANT 5: loads in the wait queue have no slot; each has at least one waiter and is not past its deadline for long.
//	INVARIANT 6: prefetches take at most Options.PrefetchBytes while under way.
//	INVARIANT 7: each Handle is released once.
//	INVARIANT 8: of loads that an announcement began and no open has joined, a reader has one token's at most.
package tiers
