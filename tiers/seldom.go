package tiers

import (
	"sync"
	"time"
)

// Seldom keeps a figure that is dear to find: it is found during a tenth of the
// time at most, however often it is asked for, and its last value given in
// between. Its methods may be called concurrently.
type Seldom[T any] struct {
	mu   sync.Mutex // held while the figure is found: others wait for the same
	last T
	next time.Time // when it may be found again
}

// seldomMaxAge bounds how old a figure may be, however long it takes to find.
const seldomMaxAge = 250 * time.Millisecond

// Get returns the figure as it is, or was at the last time.
func (s *Seldom[T]) Get(find func() T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	begin := time.Now()
	if begin.Before(s.next) {
		return s.last
	}
	s.last = find()
	end := time.Now()
	s.next = end.Add(min(9*end.Sub(begin), seldomMaxAge))
	return s.last
}
