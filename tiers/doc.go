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
// it resident; the opens that waited hold it then. Loads that find no slot
// wait in line, at most Options.MaxWait.
//
// A resident expert is held while a Handle is open, and on while any process
// maps its slot, which outlives the descriptor and which nobody tells us of.
// What is held is never evicted: forgetting it would free no memory, and
// whoever opens it next would need a second copy. Evicting is bookkeeping: the
// slot, with its memory and its passthrough registration, goes to the next
// load as it is.
//
// # Budget
//
// All experts of a model have the same length, so the budget is a number of
// slots. Every slot counts, from before it is made until it is closed: those
// of residents, held or not, of loads, and the free ones. When the budget
// shrinks, slots are closed at once as far as nobody holds them, and the rest
// as soon as they are let go.
//
// Dense files lie outside the budget, in a tmpfs of their own. They are loaded
// at their first OpenDense and stay. ReadDense reads them past the RAM tier.
//
// # Invariants
//
// checkInvariants holds them after every change in tests and under the build
// tag invariants.
//
//	INVARIANT 1: slots x charge <= budget, unless the budget has just shrunk and the excess is held.
//	INVARIANT 2: an expert is absent (no slot, no load), loading (a load) or resident (a slot), and residents counts the last.
//	INVARIANT 3: no slot is used twice: each is free, a resident's, a load's, or dying, and together they are all the slots.
//	INVARIANT 4: handles are open on residents only, and held counts the residents with any.
//	INVARIANT 5: loads in line have no slot; each has at least one waiter and is not past its deadline for long.
//	INVARIANT 6: prefetches take at most Options.PrefetchBytes while under way.
package tiers
