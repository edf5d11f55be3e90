package main

import (
	"path/filepath"
	"strings"
)

// isMountHelper tells whether this program was called by a name under which mount(8)
// looks for it in /sbin: for the type expertfs, and for fuse.expertfs, which is what
// the mount table shows.
func isMountHelper(program string) bool {
	name := filepath.Base(program)
	return name == "mount.expertfs" || name == "mount.fuse.expertfs"
}

// mountHelperArgs turns the arguments of a mount helper (see "EXTERNAL HELPERS"
// in mount(8)), SPEC DIR [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE], into those
// of the mount command. A fake mount (-f) does nothing.
func mountHelperArgs(args []string) (out []string, fake bool) {
	out = []string{"mount"}
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-N", "-t":
			i++
		default:
			switch letters, ok := strings.CutPrefix(args[i], "-"); {
			case !ok || letters == "" || strings.Trim(letters, "sfnv") != "":
				out = append(out, args[i])
			case strings.Contains(letters, "f"):
				return nil, true
			}
			// Sloppy, no mtab, verbose: nothing to do.
		}
	}
	return out, false
}
