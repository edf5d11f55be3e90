// Package fsys serves a checkpoint as a filesystem in which every expert is a
// file. It turns FUSE requests into calls of package tiers and owns what users
// see: names, inode numbers, modes, errors, control files.
//
// # Node ids
//
// The tree is fixed by the checkpoint's dimensions, so a node's id is computed
// from what the node is (see nodeID) and no table of nodes is kept; FORGET has
// nothing to do. The id is the inode number too, which makes inode numbers
// stable across mounts.
//
// # How bytes reach a reader
//
// Opening an expert or a dense file opens it in the cache, which loads it when
// absent, and pins its slot until the file is released. (Some dense files are
// read from the drive instead: see openDense.) What happens to reads is the
// mount's mechanism, chosen once:
//
//   - passthrough: the slot's file is handed to the kernel, which serves read and
//     mmap from it. This program sees the open and the release, nothing between.
//   - direct: this program answers each read out of the slot, past the page cache.
//   - cached: as direct, but through the page cache; for kernels that cannot map
//     files opened for direct I/O.
//
// The kernel refuses a second open of one inode in another mode while the first
// lasts. Slots decide the mode, and an open expert keeps its slot, so modes
// cannot mix. For dense files see unpassed.
//
// # Concurrency
//
// Every request runs in a goroutine of its own. What requests share does not change
// after Mount, belongs to package tiers, or is guarded by one of these locks:
//
//	readers.mu   who reads; held while /proc is read
//	unpassed.mu  files read past the RAM tier; held while the cache is asked of one
//	backings.mu  slots that the kernel knows; held during the ioctl that tells it
//	handles.mu   open files and folders
//
// Lock order: readers.mu and unpassed.mu, of which nobody holds both, come before the
// locks of tiers; backings.mu and handles.mu come last, and nobody holds both.
//
// Nothing here may touch the mount it serves: the request would need a thread
// to be answered, and may not get one.
package fsys
