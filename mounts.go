package expertfs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FSType is the type that the kernel's table of mounts shows for a mount.
const FSType = "fuse.expertfs"

// MountEntry is one line of the kernel's table of mounts.
type MountEntry struct {
	Point  string // absolute path
	Root   string // what of the filesystem is there: "/" but for bind mounts of a part
	Type   string // FSType for a mount of ours
	Source string // what `df` shows in its first column
	Minor  uint32 // minor number of the device, which names the FUSE connection
	User   int    // who mounted it; -1 for mounts that do not say
}

// Mounts returns the mount points of all mounts that this process can see, those of
// other users too. Of one that is mounted in several places it returns the first.
func Mounts() ([]string, error) {
	table, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer table.Close()
	all, err := ParseMountTable(table)
	return pointsOf(all), err
}

// usePatience is how long a mount may take to show whether it can be used.
const usePatience = 2 * time.Second

// UsableMounts returns of the mounts that this process can see those that it can
// enter, and of each other one why not: it is dead, it is another user's, or it does
// not answer.
func UsableMounts() (points []string, others []error, err error) {
	all, err := Mounts()
	if err != nil {
		return nil, nil, err
	}
	points, others = usable(all, tryMount, usePatience)
	return points, others, nil
}

// usable tells the mounts that can be used from the others.
func usable(all []string, try func(point string) error, patience time.Duration) (points []string, others []error) {
	for i, err := range tryAll(all, try, patience) {
		if err == nil {
			points = append(points, all[i])
		} else {
			others = append(others, err)
		}
	}
	return points, others
}

// tryAll tries all mounts at once, and returns an error or nil for each. One that does
// not answer in time keeps its goroutine.
func tryAll(all []string, try func(point string) error, patience time.Duration) []error {
	errs := make([]error, len(all))
	type answer struct {
		at  int
		err error
	}
	answers := make(chan answer, len(all))
	for i, point := range all {
		errs[i] = fmt.Errorf("%s: its server does not answer", point)
		go func() { answers <- answer{i, try(point)} }()
	}
	late := time.After(patience)
	for range all {
		select {
		case a := <-answers:
			errs[a.at] = a.err
		case <-late:
			return errs
		}
	}
	return errs
}

// tryMount asks a mount for something that only its server knows.
func tryMount(point string) error {
	_, _, err := readControl(point, VersionFile)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%s: mounted by another user, for that user alone", point)
	}
	return err
}

// pointsOf finds what Mounts returns in a table.
func pointsOf(all []MountEntry) []string {
	var ours []MountEntry
	for _, m := range all {
		// This one covers what was mounted there before.
		ours = slices.DeleteFunc(ours, func(earlier MountEntry) bool { return earlier.Point == m.Point })
		again := slices.ContainsFunc(ours, func(earlier MountEntry) bool { return earlier.Minor == m.Minor })
		if m.Type == FSType && m.Root == "/" && !again {
			ours = append(ours, m)
		}
	}
	var points []string
	for _, m := range ours {
		points = append(points, m.Point)
	}
	return points
}

// ParseMountTable reads the format of /proc/PID/mountinfo (proc_pid_mountinfo(5)):
// id, parent, major:minor, root, mount point, options, optional fields, "-",
// type, source, super options.
func ParseMountTable(r io.Reader) ([]MountEntry, error) {
	var mounts []MountEntry
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 6 || len(right) < 2 {
			return nil, fmt.Errorf("mount table: unexpected line %q", lines.Text())
		}
		_, minor, _ := strings.Cut(left[2], ":")
		n, err := strconv.ParseUint(minor, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("mount table: device %q", left[2])
		}
		mounts = append(mounts, MountEntry{
			Point:  unescapeOctal(left[4]),
			Root:   unescapeOctal(left[3]),
			Type:   right[0],
			Source: unescapeOctal(right[1]),
			Minor:  uint32(n),
			User:   userOf(right[2:]),
		})
	}
	return mounts, lines.Err()
}

// userOf finds FUSE's user_id in super options.
func userOf(super []string) int {
	for _, list := range super {
		for option := range strings.SplitSeq(list, ",") {
			if id, ok := strings.CutPrefix(option, "user_id="); ok {
				if n, err := strconv.Atoi(id); err == nil {
					return n
				}
			}
		}
	}
	return -1
}

// unescapeOctal undoes the kernel's octal escapes (\040 for a blank, and so on).
func unescapeOctal(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
