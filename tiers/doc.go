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
// it lasts waits for the same one. The load gets a slot (a free one, a new
// one within the budget, or a victim's), reads the expert into it, and makes
// it resident; the opens that waited have it pinned then. Loads that find no
// slot stand in the wait queue, at most Options.MaxWait.
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
// Dense files lie outside the budget, in a tmpfs of their own. They are loaded
// at their first OpenDense and stay. ReadDense reads them past the RAM tier.
//
// # Parts
//
// One lock is right: there are some thousand experts, and a change takes
// microseconds. Under it stand parts that can be read alone, the lower ones
// without those above:
//
//	Reader, Handle    what callers have: reader.go, open.go
//	Cache             the front: cache.go; made by new.go, kept within the budget by budget.go
//	prefetcher        loads before use: by hints, by the policy's forecast, into an empty RAM
//	loader            one load a file, the wait queue, promotion, errors
//	evictor           the policy, and what may not leave
//	filler            beside the lock: slots are made and filled
//	observer          counters, heat, shadow policies, trace; changes nothing
//	table             entries: residents, pins, uses
//	streams           readers: steps, positions, clocks
//	slots             places within the budget: free, in use, retiring
//
// An open runs down through them: open, table, loader, slots, evictor, filler,
// and back with a Handle.
//
// # Lock order
//
//	resizing < guard < the locks of events, nvme.Reader and the SlotHook
//
// A lock is taken only while those to the left of it are held or free, never
// the other way round. Fields below a comment GUARDED BY guard need it; the
// methods of the parts are called with it, unless they say otherwise. No method
// of a Policy, and no method of a part, takes it itself.
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
package tiers
