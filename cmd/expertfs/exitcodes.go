package main

import "errors"

// Exit codes are part of the command line's contract: scripts may rely on them.
const (
	exitFailure = 1 // anything without a code of its own
)

// codedError carries the exit code of a failure up to main.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// withCode makes err end the program with code.
func withCode(code int, err error) error { return &codedError{code, err} }

// exitCode returns the code that err ends the program with.
func exitCode(err error) int {
	var coded *codedError
	if errors.As(err, &coded) {
		return coded.code
	}
	return exitFailure
}
