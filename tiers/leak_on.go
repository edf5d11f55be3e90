//go:build invariants

package tiers

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// leakCheck panics when a handle is collected that was not released while its
// cache is open, and when one is released twice.
type leakCheck struct {
	cleanup runtime.Cleanup
	open    *bool
}

// newLeakCheck watches a handle of a file from its open on.
func newLeakCheck[T any](handle *T, g *guard, closed *bool, name string) leakCheck {
	open := true
	where := string(debug.Stack())
	cleanup := runtime.AddCleanup(handle, func(open *bool) {
		g.Lock()
		defer g.Unlock()
		if *open && !*closed {
			panic(fmt.Sprintf("INVARIANT 7: a handle of %s was never released; opened by\n%s", name, where))
		}
	}, &open)
	return leakCheck{cleanup, &open}
}

func (l leakCheck) released() {
	if !*l.open {
		panic("INVARIANT 7: a handle is released twice")
	}
	*l.open = false
	l.cleanup.Stop()
}
