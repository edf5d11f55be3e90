package fsys

import (
	"sync"

	"expertfs/tiers"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// openDense opens a dense file, in RAM as a rule. Straight from the drive are
// read the embedding, of which readers want few rows, and files opened with
// O_DIRECT that are not in RAM: who does that reads them once, to make
// something else of them, and a copy in RAM would be in its way.
func (f *FS) openDense(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut, d tiers.Dense) fuse.Status {
	if d == tiers.Embedding || in.Flags&unix.O_DIRECT != 0 {
		r, err := f.cache.ReadDense(d)
		if err != nil {
			return f.status(err)
		}
		if f.unpassed.addUnless(d, func() bool { return f.cache.DenseInRAM(d) }) {
			f.openUnpassed(readerFile{r, f.tree.size(nodeID(in.NodeId))}, d, out)
			return fuse.OK
		}
	}
	ctx := newFatalContext(cancel, in.Pid)
	defer ctx.stop()
	h, err := f.cache.OpenDense(ctx, d)
	switch {
	case err != nil:
		return f.status(err)
	case f.unpassed.join(d):
		f.openUnpassed(newSlotFile(h), d, out)
	default:
		f.openSlot(h, out)
	}
	return fuse.OK
}

// openUnpassed opens a file that f.unpassed has counted.
func (f *FS) openUnpassed(x file, d tiers.Dense, out *fuse.OpenOut) {
	out.Fh = f.handles.add(unpassedFile{x, &f.unpassed, d})
	out.OpenFlags = openFlags(f.mechanism)
}

// unpassed counts, of each dense file, the opens that are answered from the
// drive and those that join them. Beside one that is mapped, of which nobody
// tells us, the kernel fails an open that is to be passed through with EIO; and
// beside one that is passed through it fails mappings of the others, and any
// open that is not. So while there are some, every open joins them. A file in
// RAM stays there: once none are left no new ones come, and opens are passed
// through for good. Its methods may be called concurrently.
type unpassed struct {
	mu    sync.Mutex
	files map[tiers.Dense]int
}

// addUnless counts one more, unless inRAM. No open can be passed through
// between the two: its file would be in RAM.
func (u *unpassed) addUnless(d tiers.Dense, inRAM func() bool) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if inRAM() {
		return false
	}
	if u.files == nil {
		u.files = make(map[tiers.Dense]int)
	}
	u.files[d]++
	return true
}

// join counts one more, if there are any. The file is in RAM.
func (u *unpassed) join(d tiers.Dense) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.files[d] == 0 {
		return false
	}
	u.files[d]++
	return true
}

// leave counts one less. The kernel has given up the open file when it says so.
func (u *unpassed) leave(d tiers.Dense) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.files[d]--
}

// unpassedFile is an open file that unpassed counts.
type unpassedFile struct {
	file
	unpassed *unpassed
	dense    tiers.Dense
}

func (f unpassedFile) release() {
	f.file.release()
	f.unpassed.leave(f.dense)
}
