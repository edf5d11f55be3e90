// Package policy decides which experts leave RAM.
//
// A Policy is a plain data structure that orders the resident experts from
// the best victim to the dearest resident. It owns no bytes, takes no lock,
// starts no goroutine, reads no clock and does no I/O: the caller serialises
// the calls and keeps the accounts. Equal calls give equal answers, also for
// the policies that draw random numbers, which do so from a given seed.
//
// # The rules of the game
//
// A live cache, the simulator of package replay and the shadows of package
// shadow all play by the rules below, so that their hit rates can be compared,
// and digit by digit where nothing is prefetched.
//
//   - A step is one visit of one layer: the keys that the router chose there,
//     four for a token that is decoded, up to all of them for a prompt that
//     is evaluated as a batch. Steps finds the steps in a stream of accesses.
//   - Each reader has a stream of its own: its steps come in the order of its
//     model's layers, those of several streams in any order. Streams keeps them
//     apart. When a reader has gone, its stream is flushed, the step that this
//     ends is given to the policy, then EndStream is called, if there is one.
//   - Where the reader announces its steps, Step comes before the accesses of
//     its keys. Where it does not, a group of accesses is known to be a step
//     only when it is over, and Step comes after them, before the first access
//     of the next group. Policies work with both orders.
//   - An access is a hit when the key's bytes are in RAM at that moment, and
//     then Touch is called. Otherwise it is a miss: room is made first (one
//     victim after the other, Remove for each), then Insert is called. A use
//     that waits for a load that another one began is a join: it is counted as
//     such, and the policy does not hear of it. Only live
//     caches have joins, since loads take no time elsewhere; a shadow is told
//     of them, and decides by what became of the use before. The hit rate is
//     that of expertfs.Uses everywhere.
//   - A cache may carry out the accesses of an announced step when it is announced,
//     in the order of its keys, up to the first that has room only in place of a step in
//     progress. They are counted when they come, as what they would have been at once:
//     so loads can begin early, and the victims are the same.
//   - The keys of the steps in progress (Streams.Active) are evicted only when
//     nothing else is left: they are in use now or will be in a moment.
//   - A prefetched key is inserted without a Touch. Its first access is a hit.
//     Until its layer is visited it is evicted only before those in use.
package policy
