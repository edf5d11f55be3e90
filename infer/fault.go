package infer

import (
	"fmt"
	"runtime/debug"
)

// fault is the panic of a memory fault. Mapped weights cannot be read any more
// when their mount dies or their file is cut; that can happen in any line that
// computes. So a fault stays a panic up to the nearest guard.
type fault interface {
	error
	Addr() uintptr
}

// guard calls f and turns a memory fault in it, or in a loop that it runs on the
// pool, into an error.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("mapped weights cannot be read any more (address %#x): the mount is gone or a file was cut short", asFault(r).Addr())
		}
	}()
	return f()
}

// asFault returns the fault that r, a recovered panic, is. Any other panic is a
// bug and goes on.
func asFault(r any) fault {
	f, ok := r.(fault)
	if !ok {
		panic(r)
	}
	return f
}
