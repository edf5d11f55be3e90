package mapped

import (
	"fmt"
	"runtime/debug"
)

// Fault is the panic of a memory fault. A mapped file cannot be read any more when
// its mount dies or it is cut; that can happen in any line that reads it. So a
// fault stays a panic up to the nearest Guard.
type Fault interface {
	error
	Addr() uintptr
}

// FaultError is what Guard makes of a fault.
type FaultError struct{ Addr uintptr }

func (e *FaultError) Error() string {
	return fmt.Sprintf("mapped weights cannot be read any more (address %#x): the mount is gone or a file was cut short", e.Addr)
}

// Guard calls f and turns a memory fault in it into an error. Other goroutines that
// f starts have to hand theirs over.
func Guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = &FaultError{AsFault(r).Addr()}
		}
	}()
	return f()
}

// AsFault returns the fault that r, a recovered panic, is. Any other panic is a
// bug and goes on.
func AsFault(r any) Fault {
	f, ok := r.(Fault)
	if !ok {
		panic(r)
	}
	return f
}
