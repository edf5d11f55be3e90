package fsys

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"expertfs"
	"expertfs/fsys/mountpoint"
	"expertfs/tiers/ram"

	"golang.org/x/sys/unix"
)

// addMapped fills in what readers map, as it was found last.
func (f *FS) addMapped(readers []expertfs.ReaderStats) {
	if len(readers) == 0 {
		return
	}
	experts := f.mappings.Get(func() map[int]int { return f.mappedBy(readers) })
	for i, r := range readers {
		readers[i].MappedBytes = int64(experts[r.PID]) * f.cache.SlotBytes()
	}
}

// mappedBy counts the experts that readers map, by process, as far as /proc shows
// it: who has an expert open is known to the cache, but who maps one that is closed
// is known to the kernel alone. It takes some milliseconds for some thousand
// mappings, in which the process that maps them waits to map more.
func (f *FS) mappedBy(readers []expertfs.ReaderStats) map[int]int {
	experts := make(map[int]int)
	mount, err := mountpoint.Find(f.mountpoint)
	if err != nil {
		return experts // it is being taken down
	}
	slots := f.cache.SlotFiles()
	expert := func(id ram.FileID) (expertfs.Key, bool) {
		if id.Dev == unix.Mkdev(0, mount.Minor) { // by the tree
			node := nodeID(id.Ino)
			return node.key(), node.kind() == kindExpert
		}
		k, ok := slots[id] // by the socket
		return k, ok
	}
	for _, r := range readers {
		if r.PID != 0 {
			experts[r.PID] = mappedExperts(r.PID, expert)
		}
	}
	return experts
}

// mappedExperts counts the experts that a process maps.
func mappedExperts(pid int, expert func(ram.FileID) (expertfs.Key, bool)) int {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0
	}
	defer maps.Close()
	seen := map[expertfs.Key]bool{}
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		// address perms offset dev inode path
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 || fields[4] == "0" {
			continue
		}
		var major, minor uint32
		if _, err := fmt.Sscanf(fields[3], "%x:%x", &major, &minor); err != nil {
			continue
		}
		inode, err := strconv.ParseUint(fields[4], 10, 64)
		if err != nil {
			continue
		}
		if k, ok := expert(ram.FileID{Dev: unix.Mkdev(major, minor), Ino: inode}); ok {
			seen[k] = true
		}
	}
	return len(seen)
}
