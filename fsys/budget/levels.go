package budget

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// levels hears of critical shortage in this process's control group of version 1,
// which tells of it by events alone: also when somebody lowers the limit below what is
// in use, and is refused for the time being.
type levels struct {
	event int // an eventfd
	total int64
}

// watchLevels returns nil where there are no such groups, or they may not be watched.
func watchLevels(root fs.FS) *levels {
	for _, g := range memoryGroups(root) {
		if g.groupVersion == groupV1 {
			return watchGroup(path.Join("/", g.hierarchy, g.path))
		}
	}
	return nil
}

// watchGroup registers an event: "event_fd pressure_fd level" in cgroup.event_control
// (Documentation/admin-guide/cgroup-v1/memory.rst of the kernel, section 11).
func watchGroup(dir string) *levels {
	pressure, err := os.Open(path.Join(dir, "memory.pressure_level"))
	if err != nil {
		return nil
	}
	defer pressure.Close()
	event, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil
	}
	order := fmt.Sprintf("%d %d critical", event, pressure.Fd())
	if err := os.WriteFile(path.Join(dir, "cgroup.event_control"), []byte(order), 0); err != nil {
		unix.Close(event)
		return nil
	}
	return &levels{event: event}
}

// count returns how often there was shortage so far.
func (l *levels) count() int64 {
	if l == nil {
		return 0
	}
	var n [8]byte
	if _, err := unix.Read(l.event, n[:]); err == nil {
		l.total += int64(binary.NativeEndian.Uint64(n[:]))
	}
	return l.total
}

func (l *levels) close() {
	if l != nil {
		unix.Close(l.event)
	}
}
