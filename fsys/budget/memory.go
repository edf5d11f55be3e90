package budget

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path"
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
	m := memory{group: math.MaxInt64}
	for _, g := range memoryGroups(root) {
		for dir := range g.upward() {
			// The MaxInt64 of v1, rounded to pages, is no limit.
			if n, err := readNumber(root, path.Join(dir, g.hard)); err == nil {
				m.group = min(m.group, n)
			}
		}
	}
	info, err := readFields(root, "proc/meminfo")
	if err != nil {
		return m, err
	}
	if m.total = info["MemTotal:"] << 10; m.total == 0 {
		return m, errors.New("/proc/meminfo has no MemTotal")
	}
	return m, nil
}
