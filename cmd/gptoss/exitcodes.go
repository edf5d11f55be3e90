package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"expertfs/cmd/internal/usage"

	"github.com/spf13/cobra"
)

// Exit codes are part of the command line's contract: scripts may rely on them.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitInterrupted = 130 // what shells report for a program that Ctrl-C ended
)

// exitMeanings documents every code.
var exitMeanings = usage.ExitCodes{
	{0, "done"},
	{exitFailure, "failure without a code of its own"},
	{exitUsage, "unknown command or flag, a bad value of one, or a wrong number of arguments"},
	{exitInterrupted, "run, score, bench or the one answer of chat was interrupted (Ctrl-C or SIGTERM); what was printed by then is right"},
}

// errInterrupted ends a command whose context ended.
var errInterrupted = errors.New("interrupted")

// usageError is a mistake in the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usageErrorf makes a usageError as fmt.Errorf makes an error.
func usageErrorf(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// exitCode returns the code that err ends the program with.
func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	}
	return exitFailure
}

// noArgs refuses arguments. Cobra's own check would take them for commands.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	return nil
}

// interruptible returns a context that ends at the first SIGINT or SIGTERM; a
// second one ends the program.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
