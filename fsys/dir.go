package fsys

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Lookup finds name in a directory. For "." and ".." the kernel asks when it opens a
// file handle (open_by_handle_at(2)) of a node that it has forgotten, or never knew: "."
// is the node itself, file or directory.
func (f *FS) Lookup(_ <-chan struct{}, header *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if dir := nodeID(header.NodeId); name == "." || name == ".." {
		if !f.tree.exists(dir) {
			return fuse.Status(unix.ESTALE)
		}
		if name == ".." {
			dir = f.tree.parent(dir)
		}
		f.tree.fillEntry(dir, out)
		return fuse.OK
	}
	id, ok := f.tree.lookup(nodeID(header.NodeId), name)
	if ok && id.kind() == kindResident && !f.resident(id.key()) {
		return fuse.ENOENT // for now: this must not be cached
	}
	if !ok {
		// Node 0 tells the kernel to remember that there is no such name.
		out.NodeId = 0
		if nodeID(header.NodeId).kind() != kindResidentDir {
			out.SetEntryTimeout(staticTimeout)
		}
		return fuse.OK
	}
	f.tree.fillEntry(id, out)
	return fuse.OK
}

// Forget has nothing to do: node ids are computed, not allotted.
func (f *FS) Forget(nodeid, nlookup uint64) {}

// GetAttr answers stat(2).
func (f *FS) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	id := nodeID(in.NodeId)
	if !f.tree.exists(id) {
		return fuse.ENOENT
	}
	out.SetTimeout(attrTimeout(id))
	f.tree.attr(id, &out.Attr)
	return fuse.OK
}

// Readlink answers for the symlinks: those in resident/, and that of the socket.
func (f *FS) Readlink(_ <-chan struct{}, header *fuse.InHeader) ([]byte, fuse.Status) {
	switch id := nodeID(header.NodeId); id.kind() {
	case kindResident:
		return []byte(f.tree.ResidentTarget(id.key())), fuse.OK
	case kindSocket:
		return []byte(f.tree.socket), fuse.OK
	}
	return nil, fuse.EINVAL
}

// dirHandle is an open directory: its listing as it was when opened.
type dirHandle struct {
	entries []entry
}

func (*dirHandle) release() {}

// OpenDir lists the directory once, so that reading it in pieces sees no
// changes, and lets the kernel cache what cannot change.
func (f *FS) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	id := nodeID(in.NodeId)
	d := &dirHandle{entries: []entry{{".", id}, {"..", f.tree.parent(id)}}}
	if id.kind() == kindResidentDir {
		d.entries = append(d.entries, f.tree.entries(id, f.cache.Resident())...)
	} else {
		d.entries = append(d.entries, f.tree.entries(id, nil)...)
		out.OpenFlags = fuse.FOPEN_CACHE_DIR | fuse.FOPEN_KEEP_CACHE
	}
	out.Fh = f.handles.add(d)
	return fuse.OK
}

// ReadDir lists names.
func (f *FS) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.list(in, func(e entry, d fuse.DirEntry) bool { return out.AddDirEntry(d) })
}

// ReadDirPlus lists names together with what Lookup tells of each.
func (f *FS) ReadDirPlus(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.list(in, func(e entry, d fuse.DirEntry) bool {
		node := out.AddDirLookupEntry(d)
		if node != nil && e.name != "." && e.name != ".." {
			f.tree.fillEntry(e.id, node)
		}
		return node != nil
	})
}

// list passes the entries from in.Offset on to add until it has no more room.
func (f *FS) list(in *fuse.ReadIn, add func(entry, fuse.DirEntry) bool) fuse.Status {
	d, ok := f.handles.get(in.Fh).(*dirHandle)
	if !ok {
		return fuse.EBADF
	}
	for i := in.Offset; i < uint64(len(d.entries)); i++ {
		e := d.entries[i]
		var attr fuse.Attr
		f.tree.attr(e.id, &attr)
		if !add(e, fuse.DirEntry{Name: e.name, Ino: uint64(e.id), Mode: attr.Mode, Off: i + 1}) {
			break
		}
	}
	return fuse.OK
}

// ReleaseDir ends an open directory.
func (f *FS) ReleaseDir(in *fuse.ReleaseIn) { f.handles.remove(in.Fh) }

// FsyncDir has nothing to write.
func (f *FS) FsyncDir(<-chan struct{}, *fuse.FsyncIn) fuse.Status { return fuse.OK }
