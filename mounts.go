package expertfs

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// FSType is the type that the kernel's table of mounts shows for a mount.
const FSType = "fuse.expertfs"

// Mounts returns the mount points of all mounts that this process can see, those of
// other users too. Of one that is mounted in several places it returns the first.
func Mounts() ([]string, error) {
	table, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer table.Close()
	return parseMounts(table)
}

// parseMounts reads lines as proc_pid_mountinfo(5) describes them: id, parent,
// device, root, mount point, options, optional fields, "-", type and more.
func parseMounts(table io.Reader) ([]string, error) {
	var points, devices []string
	lines := bufio.NewScanner(table)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 6 || len(right) < 1 {
			return nil, fmt.Errorf("table of mounts: unexpected line %q", lines.Text())
		}
		point := unescapeOctal(left[4])
		if i := slices.Index(points, point); i >= 0 { // this one covers it
			points, devices = slices.Delete(points, i, i+1), slices.Delete(devices, i, i+1)
		}
		if right[0] == FSType && left[3] == "/" && !slices.Contains(devices, left[2]) {
			points, devices = append(points, point), append(devices, left[2])
		}
	}
	return points, lines.Err()
}

// unescapeOctal undoes the kernel's escapes: \040 for a blank, and so on.
func unescapeOctal(s string) string {
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
