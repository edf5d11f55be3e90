package experts

import "golang.org/x/sys/unix"

// refaults watches whether the kernel takes pages of mapped experts away, which
// it does with plain files when memory is short. While it does, experts are
// brought back by a system call before they are used, several at a time and with
// the drive's readahead; a fault in the middle of a computation would stop a
// thread for each few pages. Experts of a mount are not the kernel's to drop.
type refaults struct {
	major int64 // major faults of this process so far
	left  int   // batches for which experts are still to be brought back
}

// refaultMemory is the number of batches after which a fault is forgotten.
const refaultMemory = 32

// look counts the faults of the batch that ended.
func (r *refaults) look() {
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &usage) != nil {
		return
	}
	r.left = max(r.left-1, 0)
	if usage.Majflt > r.major {
		r.left = refaultMemory
	}
	r.major = usage.Majflt
}

// active tells whether pages are being taken away.
func (r *refaults) active() bool { return r.left > 0 }
