package mountpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Holder is a process that keeps a mount busy.
type Holder struct {
	PID  int
	Name string // command name
	How  string // "working directory", "open file layers/07/experts/03.safetensors", ...
}

func (h Holder) String() string { return fmt.Sprintf("%s (pid %d): %s", h.Name, h.PID, h.How) }

// Holders finds the processes that use the mount at point, by their working
// and root directories, open files and mappings, one finding a process. The
// caller, who knows what he does himself, is left out. It sees
// only processes that the caller may look into, so that an empty list proves
// nothing. It never touches the mount itself and so cannot hang on it.
func Holders(point string) []Holder {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []Holder
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if how := usage(filepath.Join("/proc", d.Name()), point); how != "" {
			name, _ := os.ReadFile(filepath.Join("/proc", d.Name(), "comm"))
			found = append(found, Holder{pid, strings.TrimSpace(string(name)), how})
		}
	}
	return found
}

// usage tells how the process described in the folder proc uses the mount, ""
// when it does not.
func usage(proc, point string) string {
	for _, l := range []struct{ link, how string }{{"cwd", "working directory"}, {"root", "root directory"}, {"exe", "program"}} {
		if _, ok := linkBelow(filepath.Join(proc, l.link), point); ok {
			return l.how
		}
	}
	fds, _ := os.ReadDir(filepath.Join(proc, "fd")) // not ours to see: no finding
	for _, fd := range fds {
		if rel, ok := linkBelow(filepath.Join(proc, "fd", fd.Name()), point); ok {
			return "open file " + rel
		}
	}
	maps, _ := os.ReadFile(filepath.Join(proc, "maps"))
	for line := range strings.Lines(string(maps)) {
		if _, path, ok := strings.Cut(line, "/"); ok {
			if rel, ok := below("/"+strings.TrimSpace(path), point); ok {
				return "mapped file " + rel
			}
		}
	}
	return ""
}

func linkBelow(link, point string) (string, bool) {
	target, err := os.Readlink(link)
	if err != nil {
		return "", false
	}
	return below(target, point)
}

// below returns path relative to point when it lies in or under it.
func below(path, point string) (string, bool) {
	if path == point {
		return ".", true
	}
	return strings.CutPrefix(path, point+"/")
}
