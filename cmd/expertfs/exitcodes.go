package main

import (
	"errors"
	"fmt"
	"os"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/checkpoint/source/remote"
	"expertfs/cmd/internal/usage"
	"expertfs/fsys/mountpoint"
)

// Exit codes are part of the command line's contract: scripts may rely on them.
const (
	exitFailure = 1
	exitUsage   = 2

	exitNoCheckpoint  = 10
	exitBadCheckpoint = 11
	exitNoAnswer      = 12

	exitPointMissing    = 20
	exitPointNotDir     = 21
	exitPointNotEmpty   = 22
	exitPointUnwritable = 23
	exitPointMounted    = 24
	exitPointDead       = 25
	exitNotMounted      = 26
	exitBusy            = 27
	exitServerLives     = 28

	exitNoDevice     = 30
	exitNoFusermount = 31
	exitRefused      = 32
	exitSmallBudget  = 33
	exitNoOverwrite  = 34
	exitLargeBudget  = 35
	exitNoListener   = 36
)

// exitMeanings documents every code.
var exitMeanings = usage.ExitCodes{
	{0, "done"},
	{exitFailure, "failure without a code of its own"},
	{exitUsage, "unknown command, flag or option, or a bad value of one"},
	{exitNoCheckpoint, "the checkpoint does not exist"},
	{exitBadCheckpoint, "it is not a checkpoint that can be mounted, or is damaged"},
	{exitNoAnswer, "the place on a network where it is cannot be reached, or refuses"},
	{exitPointMissing, "the mount point does not exist"},
	{exitPointNotDir, "the mount point is not a directory"},
	{exitPointNotEmpty, "the mount point is not empty"},
	{exitPointUnwritable, "the mount point is not writable by this user"},
	{exitPointMounted, "an expertfs is mounted there already"},
	{exitPointDead, "the mount is dead: its server is gone"},
	{exitNotMounted, "no expertfs is mounted there"},
	{exitBusy, "the mount is in use"},
	{exitServerLives, "unmounted, but the server goes on: somebody else has it mounted, or it is stopped"},
	{exitNoDevice, "/dev/fuse is missing or may not be opened"},
	{exitNoFusermount, "not root, and fusermount3 is missing"},
	{exitRefused, "the kernel or fusermount3 refuses to mount"},
	{exitSmallBudget, "the RAM budget is too small to work with"},
	{exitNoOverwrite, "--trace or --heat names a file that is not expertfs's to replace"},
	{exitLargeBudget, "the RAM budget is more than the control group of this process may use"},
	{exitNoListener, "the address of --http cannot be listened on"},
}

// codedError carries the exit code of a failure up to main.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// withCode makes err, unless nil, end the program with code.
func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &codedError{code, err}
}

// checkNumber refuses a number below the least that a flag may have.
func checkNumber(flag string, n, least int) error {
	if n >= least {
		return nil
	}
	return withCode(exitUsage, fmt.Errorf("--%s %d: expected %d or more", flag, n, least))
}

// knownErrors are the errors of other packages that have a code. Where several
// are joined, the first of this list decides: what hinders most comes first.
var knownErrors = []struct {
	err  error
	code int
}{
	{mountpoint.ErrNoDevice, exitNoDevice},
	{mountpoint.ErrNoFusermount, exitNoFusermount},
	{mountpoint.ErrNoPrivilege, exitRefused},
	{mountpoint.ErrBusy, exitBusy},
	{expertfs.ErrDead, exitPointDead},
	{mountpoint.ErrMissing, exitPointMissing},
	{mountpoint.ErrNotDir, exitPointNotDir},
	{mountpoint.ErrNotEmpty, exitPointNotEmpty},
	{mountpoint.ErrUnwritable, exitPointUnwritable},
	{mountpoint.ErrMounted, exitPointMounted},
	{mountpoint.ErrNotMounted, exitNotMounted},
}

// exitCode returns the code that err ends the program with: that of withCode where
// there is one, else that of the first known error in it.
func exitCode(err error) int {
	var coded *codedError
	if errors.As(err, &coded) {
		return coded.code
	}
	for _, k := range knownErrors {
		if errors.Is(err, k.err) {
			return k.code
		}
	}
	return exitFailure
}

// checkpointError gives an error of opening the checkpoint at path its code.
func checkpointError(path string, err error) error {
	if errors.Is(err, expertfs.ErrDead) {
		return err
	}
	if _, serr := os.Stat(path); errors.Is(serr, os.ErrNotExist) && !checkpoint.OnNetwork(path) {
		return withCode(exitNoCheckpoint, err)
	}
	switch {
	case errors.Is(err, remote.ErrAbsent):
		return withCode(exitNoCheckpoint, err)
	case errors.Is(err, remote.ErrNoAnswer):
		return withCode(exitNoAnswer, err)
	}
	return withCode(exitBadCheckpoint, err)
}
