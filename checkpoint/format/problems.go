package format

import (
	"errors"
	"fmt"
)

// maxProblems is how many problems are listed before the rest is left out.
const maxProblems = 1000

// ProblemsError lists what is wrong with a checkpoint, at least one problem.
// Each is one line that names the file, the tensor and what was expected.
type ProblemsError struct {
	Problems []error
}

// Error returns the first problem and the number of the others.
func (e *ProblemsError) Error() string {
	first := e.Problems[0].Error()
	if more := len(e.Problems) - 1; more > 0 {
		return fmt.Sprintf("%s (and %d more; `expertfs check` lists them)", first, more)
	}
	return first
}

// Unwrap gives errors.Is and errors.As the single problems.
func (e *ProblemsError) Unwrap() []error { return e.Problems }

// errTooMany ends a list that was cut.
var errTooMany = errors.New("and more problems, not listed")

// Problems collects errors, up to a thousand. The zero value is none.
type Problems []error

// Addf notes a problem.
func (p *Problems) Addf(format string, args ...any) {
	switch {
	case len(*p) < maxProblems:
		*p = append(*p, fmt.Errorf(format, args...))
	case len(*p) == maxProblems:
		*p = append(*p, errTooMany)
	}
}

// Err returns a [*ProblemsError], or nil when there are none.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	return &ProblemsError{p}
}
