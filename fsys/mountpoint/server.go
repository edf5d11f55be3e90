package mountpoint

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"expertfs"
)

// Server finds the process that serves m, as this process numbers it, by the FUSE
// connection that it has open. It does not ask the mount. 0 is a server that cannot
// be found so: one in another pid namespace, one that this user may not look into,
// any on kernels before 6.16, which do not tell the connection.
func Server(m Mount) int {
	want := fmt.Appendf(nil, "fuse_connection:\t%d\n", m.Minor)
	for _, pid := range processes() {
		for _, info := range devices(pid) {
			if bytes.Contains(info, want) {
				return pid
			}
		}
	}
	return 0
}

// Serves tells whether a process has a FUSE connection open.
func Serves(pid int) bool { return len(devices(pid)) > 0 }

// devices returns what the kernel tells of each descriptor of /dev/fuse that a
// process has, none when this user may not know.
func devices(pid int) [][]byte {
	var found [][]byte
	proc := fmt.Sprintf("/proc/%d/", pid)
	fds, _ := os.ReadDir(proc + "fd")
	for _, fd := range fds {
		if target, err := os.Readlink(proc + "fd/" + fd.Name()); err != nil || target != "/dev/fuse" {
			continue
		}
		if info, err := os.ReadFile(proc + "fdinfo/" + fd.Name()); err == nil {
			found = append(found, info)
		}
	}
	return found
}

// Stopped tells whether a process is stopped, by SIGSTOP, a terminal or a debugger.
func Stopped(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	// The state follows the command's name, which is in brackets and may hold any.
	state := text[bytes.LastIndexByte(text, ')')+1:]
	return len(state) > 1 && (state[1] == 'T' || state[1] == 't')
}

// Keepers tells who else has the filesystem of m mounted: other places of this
// mount namespace, and processes in other namespaces, one of each, that this
// process may look into. While there is one, the server goes on.
func Keepers(m Mount) []string {
	var found []string
	seen := make(map[string]bool) // namespaces, by the link that names them
	own, _ := os.Readlink("/proc/self/ns/mnt")
	for _, pid := range append([]int{os.Getpid()}, processes()...) {
		proc := fmt.Sprintf("/proc/%d/", pid)
		namespace, err := os.Readlink(proc + "ns/mnt")
		if err != nil || seen[namespace] {
			continue
		}
		seen[namespace] = true
		f, err := os.Open(proc + "mountinfo")
		if err != nil {
			continue
		}
		mounts, err := expertfs.ParseMountTable(f)
		f.Close()
		if err != nil {
			continue
		}
		for _, other := range mounts {
			switch {
			case other.Minor != m.Minor || other.Type != FSType:
			case namespace == own:
				found = append(found, "it is mounted at "+other.Point+" too")
			default:
				name, _ := os.ReadFile(proc + "comm")
				found = append(found, fmt.Sprintf("%s (pid %d) has it at %s in a mount namespace of its own", strings.TrimSpace(string(name)), pid, other.Point))
			}
		}
	}
	return found
}

// processes lists the processes that this one can see.
func processes() []int {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	pids := make([]int, 0, len(dirs))
	for _, d := range dirs {
		if pid, err := strconv.Atoi(filepath.Base(d)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
