package mountpoint

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"expertfs"
)

// FSType is the filesystem type that the kernel's mount table shows for our mounts.
const FSType = expertfs.FSType

// Mount is one line of the kernel's mount table.
type Mount struct {
	Point  string // absolute path
	Root   string // what of the filesystem is there: "/" but for bind mounts of a part
	Type   string // "fuse.expertfs"
	Source string // what `df` shows in its first column
	Minor  uint32 // minor number of the device, which names the FUSE connection
	User   int    // who mounted it; -1 for mounts that do not say
}

// List returns all mounts of FSType that this process can see, in the order of
// the mount table (a mount that covers another comes later). Bind mounts of a part
// of one are not among them.
func List() ([]Mount, error) {
	all, err := readTable()
	if err != nil {
		return nil, err
	}
	var ours []Mount
	for _, m := range all {
		if m.Type == FSType && m.Root == "/" {
			ours = append(ours, m)
		}
	}
	return ours, nil
}

// find returns the topmost mount whose root is exactly path, of any type.
func find(path string) (Mount, bool, error) {
	all, err := readTable()
	if err != nil {
		return Mount{}, false, err
	}
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Point == path {
			return all[i], true, nil
		}
	}
	return Mount{}, false, nil
}

func readTable() ([]Mount, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseTable(f)
}

// parseTable reads the format of /proc/PID/mountinfo (proc_pid_mountinfo(5)):
// id, parent, major:minor, root, mount point, options, optional fields, "-",
// type, source, super options.
func parseTable(r io.Reader) ([]Mount, error) {
	var mounts []Mount
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
		mounts = append(mounts, Mount{
			Point:  unescape(left[4]),
			Root:   unescape(left[3]),
			Type:   right[0],
			Source: unescape(right[1]),
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

// unescape undoes the kernel's octal escapes (\040 for a blank, and so on).
func unescape(s string) string {
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
