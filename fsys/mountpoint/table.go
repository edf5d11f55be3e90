package mountpoint

import (
	"os"

	"expertfs"
)

// FSType is the filesystem type that the kernel's mount table shows for our mounts.
const FSType = expertfs.FSType

// Mount is one line of the kernel's mount table.
type Mount = expertfs.MountEntry

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
	return expertfs.ParseMountTable(f)
}
