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
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return r, nil // no control groups
	}
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(f) != 3:
		case f[1] == "":
			r.within(root, "sys/fs/cgroup", f[2], groupV2)
		case hasController(f[1], "memory"):
			r.within(root, "sys/fs/cgroup/memory", f[2], groupV1)
		}
	}
	return r, nil
}

// groupFiles are the names of what a version of control groups tells of memory.
type groupFiles struct {
	usage  string
	limits []string
	cached []string // fields of memory.stat: files that are given up for others
	events string   // a file with the field oom, or none
	stalls string   // a file of pressure stall information, or none
}

// stallUnit is a tenth of a tick.
const stallUnit = tick / 10

var (
	groupV2 = groupFiles{
		usage: "memory.current", limits: []string{"memory.max", "memory.high"},
		cached: []string{"inactive_file", "active_file", "slab_reclaimable"},
		events: "memory.events", stalls: "memory.pressure",
	}
	groupV1 = groupFiles{
		usage: "memory.usage_in_bytes", limits: []string{"memory.limit_in_bytes", "memory.soft_limit_in_bytes"},
		cached: []string{"total_inactive_file", "total_active_file"},
	}
)

// within narrows r to what a group and all groups above it leave.
func (r *Room) within(root fs.FS, hierarchy, group string, files groupFiles) {
	for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
		at := path.Join(hierarchy, dir)
		limit := int64(math.MaxInt64)
		for _, name := range files.limits {
			if n, err := readNumber(root, path.Join(at, name)); err == nil {
				limit = min(limit, n)
			}
		}
		// Groups without a limit of their own have as much as the machine.
		if used, err := readNumber(root, path.Join(at, files.usage)); err == nil && limit < r.Limit {
			stat, _ := readFields(root, path.Join(at, "memory.stat")) // of use, not needed
			for _, name := range files.cached {
				used -= stat[name]
			}
			r.Free = min(r.Free, limit-max(used, 0))
		}
		r.Limit = min(r.Limit, limit)
		events, _ := readFields(root, path.Join(at, files.events)) // none are no shortage
		r.Shortages += events["oom"] + int64(stalled(root, path.Join(at, files.stalls))/stallUnit)
		if dir == "/" {
			return
		}
	}
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
