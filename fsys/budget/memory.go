package budget

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// Memory returns how many bytes this process may use at most: the machine's
// memory or, where lower, the limit of the control group it runs in or of any
// group above that (v1 and v2).
func Memory() (int64, error) {
	m, err := readMemory(os.DirFS("/"))
	return m.limit(), err
}

// memory is what there is.
type memory struct {
	total int64 // of the machine
	group int64 // that the control groups of this process allow; MaxInt64 for all
}

func (m memory) limit() int64 { return min(m.total, m.group) }

// readMemory reads the tree root, which has proc and sys/fs/cgroup.
func readMemory(root fs.FS) (memory, error) {
	total, err := memTotal(root)
	return memory{total, groupLimit(root)}, err
}

// memTotal reads MemTotal of /proc/meminfo, in bytes.
func memTotal(root fs.FS) (int64, error) {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemTotal:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("/proc/meminfo has no MemTotal")
}

// groupLimit returns the lowest memory limit of the control groups that hold
// this process, MaxInt64 when there is none.
//
// Lines of /proc/self/cgroup are "id:controllers:path"; v2 is the line with no
// controllers. Inside a container the path may be one of the host, which is not
// visible here; the container's own root is then where the limit stands, and
// the walk up to it finds that too.
func groupLimit(root fs.FS) int64 {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return math.MaxInt64
	}
	limit := int64(math.MaxInt64)
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		f := strings.SplitN(lines.Text(), ":", 3)
		if len(f) != 3 {
			continue
		}
		switch {
		case f[1] == "":
			limit = min(limit, lowestAbove(root, "sys/fs/cgroup", f[2], "memory.max"))
		case hasController(f[1], "memory"):
			limit = min(limit, lowestAbove(root, "sys/fs/cgroup/memory", f[2], "memory.limit_in_bytes"))
		}
	}
	return limit
}

func hasController(list, name string) bool {
	for c := range strings.SplitSeq(list, ",") {
		if c == name {
			return true
		}
	}
	return false
}

// lowestAbove reads the limit in file of the group and of every group above it.
func lowestAbove(root fs.FS, hierarchy, group, file string) int64 {
	limit := int64(math.MaxInt64)
	for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
		if text, err := fs.ReadFile(root, path.Join(hierarchy, dir, file)); err == nil {
			// "max", and the page-rounded MaxInt64 of v1, mean no limit.
			if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
				limit = min(limit, n)
			}
		}
		if dir == "/" {
			return limit
		}
	}
}
