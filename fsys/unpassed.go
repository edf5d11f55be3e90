package fsys

import (
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// openUnpassed opens a file that f.unpassed has counted.
func (f *FS) openUnpassed(x file, id nodeID, out *fuse.OpenOut) {
	out.Fh = f.handles.add(unpassedFile{x, &f.unpassed, id})
	out.OpenFlags = openFlags(f.mechanism)
}

// unpassed counts, of each file, the opens that are answered from the drive and
// those that join them.
//
// The kernel does not mix them with opens that are passed through: beside one
// of these that is mapped, it fails an open that is to be passed through with
// EIO; and beside one that is passed through it fails mappings of the others,
// and any open that is not. So while there are some, every open of the file
// joins them. None begins while the file is in RAM, and what is passed through
// or mapped so is in RAM. Its methods may be called concurrently.
type unpassed struct {
	mu    sync.Mutex
	files map[nodeID]int
}

// addUnless counts one more, unless inRAM. No open can be passed through
// between the two: its file would be in RAM.
func (u *unpassed) addUnless(id nodeID, inRAM func() bool) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if inRAM() {
		return false
	}
	if u.files == nil {
		u.files = make(map[nodeID]int)
	}
	u.files[id]++
	return true
}

// join counts one more, if there are any. The file is in RAM.
func (u *unpassed) join(id nodeID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.files[id] == 0 {
		return false
	}
	u.files[id]++
	return true
}

// leave counts one less. The kernel has given up the open file when it says so.
func (u *unpassed) leave(id nodeID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.files[id]--; u.files[id] == 0 {
		delete(u.files, id)
	}
}

// unpassedFile is an open file that unpassed counts.
type unpassedFile struct {
	file
	unpassed *unpassed
	id       nodeID
}

func (f unpassedFile) release() {
	f.file.release()
	f.unpassed.leave(f.id)
}
