package tiers

import "sync"

// guard is the lock of a cache. Everything that its parts hold is guarded by
// it, but for what their comments except.
//
// It is held for some microseconds: never during I/O, while a slot is made or
// closed, while a reader is answered, or while a policy is made. Only the first
// and last step of a reader may take a policy about half a millisecond, for what it
// keeps of each stream.
type guard struct {
	mu sync.Mutex
	// changed is called before each Unlock, with the lock held. An error is a
	// broken invariant.
	changed func() error
}

// Lock begins a change, or a look.
func (g *guard) Lock() { g.mu.Lock() }

// Unlock ends it. It panics when an invariant is broken.
func (g *guard) Unlock() {
	err := g.changed()
	g.mu.Unlock()
	if err != nil {
		panic(err)
	}
}
