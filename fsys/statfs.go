package fsys

import "github.com/hanwen/go-fuse/v2/fuse"

// statfsBlock is the unit in which statfs(2) counts.
const statfsBlock = 4096

// StatFs answers df(1): the filesystem's space is the RAM tier's budget for
// experts, its files are the model's experts, of which those not resident are
// the free ones.
func (f *FS) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	budget, free, residents := f.cache.Space()
	experts := uint64(f.tree.Layers * f.tree.Experts)
	*out = fuse.StatfsOut{
		Blocks:  uint64(budget) / statfsBlock,
		Bfree:   uint64(free) / statfsBlock,
		Bavail:  uint64(free) / statfsBlock,
		Files:   experts,
		Ffree:   experts - min(experts, uint64(residents)),
		Bsize:   statfsBlock,
		Frsize:  statfsBlock,
		NameLen: 255,
	}
	return fuse.OK
}
