package main

import (
	"errors"
	"fmt"
	"strings"

	"expertfs"
	"expertfs/fsys/mountpoint"
)

// usableMounts finds the mounts that can be used, and of others why not.
var usableMounts = expertfs.UsableMounts

// theMount returns the mount that a command is about: the one that is named, or else
// the only one that this user can use. A name that is given counts, whatever else is
// mounted.
func theMount(args []string) (mountpoint.Mount, error) {
	if len(args) > 0 {
		return mountpoint.Find(args[0])
	}
	points, others, err := usableMounts()
	switch {
	case err != nil:
		return mountpoint.Mount{}, fmt.Errorf("no MOUNTPOINT is given, and mounts cannot be looked for: %w", err)
	case len(points) > 1:
		return mountpoint.Mount{}, withCode(exitUsage, fmt.Errorf("there are %d mounts; name one:%s", len(points), listed(points)))
	case len(points) == 0 && len(others) > 0:
		return mountpoint.Mount{}, withCode(exitNotMounted, fmt.Errorf("no mount can be used:%s", listed(reasons(others))))
	case len(points) == 0:
		return mountpoint.Mount{}, withCode(exitNotMounted, errors.New("nothing is mounted: expertfs mount CHECKPOINT MOUNTPOINT"))
	}
	return mountpoint.Find(points[0])
}

// listed are lines below a sentence.
func listed(lines []string) string {
	return "\n  " + strings.Join(lines, "\n  ")
}

func reasons(errs []error) []string {
	lines := make([]string, len(errs))
	for i, err := range errs {
		lines[i] = err.Error()
	}
	return lines
}
