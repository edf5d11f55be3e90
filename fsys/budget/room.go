package budget

import (
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// Room is what memory is left for this process.
type Room struct {
	// Limit is what it may use at most: the machine's memory, or the lowest limit
	// of the control groups that hold it.
	Limit int64
	// Free is what it may take before the machine or such a group is full. Cached
	// files count as free, below 0 is over a limit that is not enforced at once.
	Free int64
	// Shortages counts how often the kernel found nothing to give up in a group of
	// this process: times out of memory, and each stallUnit for which all of its
	// tasks waited for memory.
	Shortages int64
}

// ReadRoom tells what memory is left for this process.
func ReadRoom() (Room, error) { return readRoom(os.DirFS("/")) }

// readRoom reads the tree root, which has proc and sys/fs/cgroup.
func readRoom(root fs.FS) (Room, error) {
	info, err := readFields(root, "proc/meminfo")
	if err != nil {
		return Room{}, err
	}
	r := Room{Limit: info["MemTotal:"] << 10, Free: info["MemAvailable:"] << 10}
	for _, g := range memoryGroups(root) {
		for dir := range g.upward() {
			r.narrow(root, dir, g.groupVersion)
		}
	}
	return r, nil
}

// stallUnit is a tenth of a tick.
const stallUnit = tick / 10

// narrow makes r what the group in a folder leaves of it.
func (r *Room) narrow(root fs.FS, dir string, v *groupVersion) {
	limit := int64(math.MaxInt64)
	for _, name := range []string{v.hard, v.soft} {
		if n, err := readNumber(root, path.Join(dir, name)); err == nil {
			limit = min(limit, n)
		}
	}
	// Groups without a limit of their own have as much as the machine.
	if used, err := readNumber(root, path.Join(dir, v.usage)); err == nil && limit < r.Limit {
		stat, _ := readFields(root, path.Join(dir, "memory.stat")) // of use, not needed
		for _, name := range v.cached {
			used -= stat[name]
		}
		r.Free = min(r.Free, limit-max(used, 0))
	}
	r.Limit = min(r.Limit, limit)
	events, _ := readFields(root, path.Join(dir, v.events)) // none are no shortage
	r.Shortages += events["oom"] + int64(stalled(root, path.Join(dir, v.stalls))/stallUnit)
}

// stalled returns how long all tasks of a group have waited for memory: the line
// "full avg10=0.00 avg60=0.00 avg300=0.00 total=MICROSECONDS".
func stalled(root fs.FS, name string) time.Duration {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if _, total, ok := strings.Cut(line, "total="); ok && strings.HasPrefix(line, "full ") {
			n, _ := strconv.ParseInt(strings.TrimSpace(total), 10, 64)
			return time.Duration(n) * time.Microsecond
		}
	}
	return 0
}
