package infer

import (
	"fmt"
	"runtime/debug"
)

// guard calls f and turns a memory fault in it into an error: mapped weights
// cannot be read any more when their mount dies or their file is cut.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = faultError(r)
		}
	}()
	return f()
}

// faultError turns the panic of a memory fault into an error; any other panic
// is a bug and goes on.
func faultError(r any) error {
	fault, ok := r.(interface {
		error
		Addr() uintptr
	})
	if !ok {
		panic(r)
	}
	return fmt.Errorf("mapped weights cannot be read any more (address %#x): the mount is gone or a file was cut short", fault.Addr())
}
