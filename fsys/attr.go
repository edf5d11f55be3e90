package fsys

import (
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// staticTimeout is how long the kernel may keep names and attributes of the
// part of the tree that never changes.
const staticTimeout = 24 * time.Hour

// blockSize is the preferred size of I/O that stat(2) tells of data files, and
// so the size of the reads that cat and cp make.
const blockSize = 1 << 20

// attr fills what stat(2) shows of a node.
func (t *tree) attr(id nodeID, out *fuse.Attr) {
	size := t.size(id)
	*out = fuse.Attr{
		Ino:     uint64(id),
		Size:    uint64(size),
		Blocks:  uint64(size+511) / 512,
		Nlink:   1,
		Owner:   t.owner,
		Blksize: blockSize,
	}
	changed := t.changed
	switch kind := id.kind(); {
	case kind.isDir():
		// As on any filesystem that is read-only by its mount: a copy made with
		// these modes can be added to, and removed again.
		out.Mode = unix.S_IFDIR | 0o755
		out.Nlink = t.links(id)
	case kind == kindResident || kind == kindSocket:
		out.Mode = unix.S_IFLNK | 0o777
	case kind == kindControl:
		out.Mode = unix.S_IFREG | t.controls[id.index()].mode()
		changed = time.Now()
	default:
		out.Mode = unix.S_IFREG | 0o444
	}
	out.SetTimes(&changed, &changed, &changed)
}

// links is the link count of a directory: its name, its ".", and the ".." of
// every directory in it. find(1) relies on it.
func (t *tree) links(dir nodeID) uint32 {
	if dir.kind() == kindLayers {
		return 2 + uint32(t.Layers)
	}
	n := uint32(2)
	for _, e := range t.fixedEntries(dir) {
		if e.id.kind().isDir() {
			n++
		}
	}
	return n
}

// attrTimeout is how long the kernel may keep a node's attributes.
func attrTimeout(id nodeID) time.Duration {
	switch id.kind() {
	case kindControl, kindResident, kindResidentDir:
		return 0
	}
	return staticTimeout
}

// nameTimeout is how long the kernel may keep the name of a node.
func nameTimeout(id nodeID) time.Duration {
	if id.kind() == kindResident {
		return 0
	}
	return staticTimeout
}

// fillEntry makes the answer to a lookup.
func (t *tree) fillEntry(id nodeID, out *fuse.EntryOut) {
	out.NodeId = uint64(id)
	if id != rootID { // whose generation is 0 for the kernel
		out.Generation = t.generation
	}
	out.SetEntryTimeout(nameTimeout(id))
	out.SetAttrTimeout(attrTimeout(id))
	t.attr(id, &out.Attr)
}
