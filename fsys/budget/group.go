package budget

import (
	"io/fs"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"
)

// group is a control group that this process is in and that accounts memory.
type group struct {
	*groupVersion
	path string // in the hierarchy
}

// groupVersion is how a version of control groups tells of memory.
type groupVersion struct {
	hierarchy string // the folder of the group at the top, below the root

	// Names of files in a group's folder.
	usage, hard, soft string // bytes in use, and the limits
	events            string // has the field oom; "" for none
	stalls            string // pressure stall information; "" for none

	cached []string // fields of memory.stat: files that are given up for others
}

var (
	groupV2 = &groupVersion{
		hierarchy: "sys/fs/cgroup",
		usage:     "memory.current", hard: "memory.max", soft: "memory.high",
		events: "memory.events", stalls: "memory.pressure",
		cached: []string{"inactive_file", "active_file", "slab_reclaimable"},
	}
	groupV1 = &groupVersion{
		hierarchy: "sys/fs/cgroup/memory",
		usage:     "memory.usage_in_bytes", hard: "memory.limit_in_bytes", soft: "memory.soft_limit_in_bytes",
		cached: []string{"total_inactive_file", "total_active_file"},
	}
)

// memoryGroups lists the control groups of this process that account memory, none
// where the kernel has no control groups.
//
// Lines of /proc/self/cgroup are "id:controllers:path"; v2 is the line with no
// controllers. Inside a container the path may be one of the host, which is not
// visible here; the container's own root is then where the limits stand, and
// whoever goes upward finds that too.
func memoryGroups(root fs.FS) []group {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	var found []group
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(f) != 3:
		case f[1] == "":
			found = append(found, group{groupV2, f[2]})
		case slices.Contains(strings.Split(f[1], ","), "memory"):
			found = append(found, group{groupV1, f[2]})
		}
	}
	return found
}

// upward iterates over the folders of the group and of all groups above it.
func (g group) upward() iter.Seq[string] {
	return func(yield func(string) bool) {
		for dir := path.Clean("/" + g.path); yield(path.Join(g.hierarchy, dir)) && dir != "/"; dir = path.Dir(dir) {
		}
	}
}

// readNumber reads a file with one number. "max" is none.
func readNumber(root fs.FS, name string) (int64, error) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// readFields reads lines of a name and a number.
func readFields(root fs.FS, name string) (map[string]int64, error) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	fields := make(map[string]int64)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) >= 2 {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				fields[f[0]] = n
			}
		}
	}
	return fields, nil
}
