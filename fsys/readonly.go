package fsys

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// The tree cannot be changed: everything that would change it is refused with
// EROFS, as a read-only filesystem does. The mount itself is not marked
// read-only, since the control files are written to.

func (f *FS) Mknod(<-chan struct{}, *fuse.MknodIn, string, *fuse.EntryOut) fuse.Status {
	return fuse.EROFS
}

func (f *FS) Mkdir(<-chan struct{}, *fuse.MkdirIn, string, *fuse.EntryOut) fuse.Status {
	return fuse.EROFS
}

func (f *FS) Unlink(<-chan struct{}, *fuse.InHeader, string) fuse.Status { return fuse.EROFS }

func (f *FS) Rmdir(<-chan struct{}, *fuse.InHeader, string) fuse.Status { return fuse.EROFS }

func (f *FS) Rename(<-chan struct{}, *fuse.RenameIn, string, string) fuse.Status { return fuse.EROFS }

func (f *FS) Link(<-chan struct{}, *fuse.LinkIn, string, *fuse.EntryOut) fuse.Status {
	return fuse.EROFS
}

func (f *FS) Symlink(<-chan struct{}, *fuse.InHeader, string, string, *fuse.EntryOut) fuse.Status {
	return fuse.EROFS
}

func (f *FS) Create(<-chan struct{}, *fuse.CreateIn, string, *fuse.CreateOut) fuse.Status {
	return fuse.EROFS
}

func (f *FS) Tmpfile(<-chan struct{}, *fuse.CreateIn, *fuse.CreateOut) fuse.Status { return fuse.EROFS }

func (f *FS) SetXAttr(<-chan struct{}, *fuse.SetXAttrIn, string, []byte) fuse.Status {
	return fuse.EROFS
}

func (f *FS) RemoveXAttr(<-chan struct{}, *fuse.InHeader, string) fuse.Status { return fuse.EROFS }

func (f *FS) Fallocate(<-chan struct{}, *fuse.FallocateIn) fuse.Status { return fuse.EROFS }

// SetAttr refuses changes of data files. Of a control file it accepts the
// truncation that comes with opening it by `>`, which changes nothing.
func (f *FS) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	id := nodeID(in.NodeId)
	if id.kind() != kindControl {
		return fuse.EROFS
	}
	if status := f.mayWrite(id, in.Caller); status != fuse.OK {
		return status
	}
	const truncation = fuse.FATTR_SIZE | fuse.FATTR_FH | fuse.FATTR_LOCKOWNER | fuse.FATTR_KILL_SUIDGID |
		fuse.FATTR_MTIME | fuse.FATTR_MTIME_NOW | fuse.FATTR_CTIME
	if in.Valid&fuse.FATTR_SIZE == 0 || in.Valid&^truncation != 0 {
		return fuse.EPERM
	}
	out.SetTimeout(attrTimeout(id))
	f.tree.attr(id, &out.Attr)
	return fuse.OK
}

// Access answers access(2) and chdir(2).
func (f *FS) Access(_ <-chan struct{}, in *fuse.AccessIn) fuse.Status {
	id := nodeID(in.NodeId)
	var attr fuse.Attr
	f.tree.attr(id, &attr)
	if in.Mask&unix.W_OK != 0 {
		if status := f.mayWrite(id, in.Caller); status != fuse.OK {
			return status
		}
	}
	if in.Mask&unix.X_OK != 0 && attr.Mode&0o111 == 0 || in.Mask&unix.R_OK != 0 && attr.Mode&0o444 == 0 {
		return fuse.EACCES
	}
	return fuse.OK
}

// mayWrite tells whether a caller may write to a node: to no data file, and to
// a writable control file if he is the one who mounted.
func (f *FS) mayWrite(id nodeID, caller fuse.Caller) fuse.Status {
	switch {
	case id.kind() != kindControl || f.options.ReadOnly:
		return fuse.EROFS
	case !f.tree.controls[id.index()].writable() || caller.Uid != f.tree.owner.Uid:
		return fuse.EACCES
	}
	return fuse.OK
}
