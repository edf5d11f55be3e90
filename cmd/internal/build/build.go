// Package build tells what a program was built from, as Go has stamped it in.
package build

import (
	"runtime/debug"
	"time"
)

// Version is the module's version, or else the commit.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown build)"
	}
	if commit := Commit(); commit != "" && info.Main.Version == "(devel)" {
		return commit
	}
	return info.Main.Version
}

// Commit is the beginning of the commit's hash, "" where it is not known.
func Commit() string {
	hash := setting("vcs.revision")
	return hash[:min(len(hash), 9)]
}

// Time is that of the commit, or now where that is not known.
func Time() time.Time {
	if at, err := time.Parse(time.RFC3339, setting("vcs.time")); err == nil {
		return at
	}
	return time.Now()
}

// setting returns a setting of the build, "" where there is none.
func setting(key string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == key {
				return s.Value
			}
		}
	}
	return ""
}
