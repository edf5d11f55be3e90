package fsys

import (
	"strconv"
	"strings"
	"time"

	"expertfs"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// xattrPrefix begins the names of the extended attributes of expert files.
const xattrPrefix = "user.expertfs."

// xattr is the value of an extended attribute of an expert.
func (f *FS) xattr(k expertfs.Key, name string) (string, bool) {
	info := f.cache.Expert(k)
	switch name {
	case "tier":
		return info.Tier, true
	case "hits":
		return strconv.FormatInt(info.Hits, 10), true
	case "loads":
		return strconv.FormatInt(info.Loads, 10), true
	case "last_access":
		return formatAccess(info.LastAccess), true
	}
	return "", false
}

// formatAccess writes a time, or "never".
func formatAccess(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// GetXAttr answers getxattr(2).
func (f *FS) GetXAttr(_ <-chan struct{}, header *fuse.InHeader, attr string, dest []byte) (uint32, fuse.Status) {
	id := nodeID(header.NodeId)
	name, ours := strings.CutPrefix(attr, xattrPrefix)
	if !ours || id.kind() != kindExpert {
		return 0, fuse.ENOATTR
	}
	value, ok := f.xattr(id.key(), name)
	if !ok {
		return 0, fuse.ENOATTR
	}
	return fill(dest, value)
}

// ListXAttr answers listxattr(2): the attributes are found by name alone. They are
// about the mount, and what is listed goes along with a copy of the file.
func (f *FS) ListXAttr(<-chan struct{}, *fuse.InHeader, []byte) (uint32, fuse.Status) {
	return 0, fuse.OK
}

// fill copies value to dest, or tells with ERANGE how long dest would have to be.
func fill(dest []byte, value string) (uint32, fuse.Status) {
	if len(dest) < len(value) {
		return uint32(len(value)), fuse.ERANGE
	}
	return uint32(copy(dest, value)), fuse.OK
}
