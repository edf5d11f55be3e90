package main

import "path/filepath"

// isMountHelper tells whether this program was called by a name under which mount(8)
// looks for it in /sbin: for the type expertfs, and for fuse.expertfs, which is what
// the mount table shows.
func isMountHelper(program string) bool {
	name := filepath.Base(program)
	return name == "mount.expertfs" || name == "mount.fuse.expertfs"
}

// mountHelperArgs turns the arguments of a mount helper (see "EXTERNAL HELPERS"
// in mount(8)), SPEC DIR [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE], into those
// of the mount command.
func mountHelperArgs(args []string) []string {
	out := []string{"mount"}
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-s", "-n", "-v", "-f":
			// Sloppy, no mtab, verbose: nothing to do. Mount(8) does not call
			// helpers when it is asked for a fake mount (-f).
		case "-N", "-t":
			i++
		default:
			out = append(out, args[i])
		}
	}
	return out
}
