package expertfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Residency is a page of memory in which a mount shows which experts are in RAM
// now. A reader gets it once by the socket, maps it, and then looks as often as it
// likes: that costs no system call. Its methods may be called concurrently, but
// not with Close.
//
// The page has a byte for each expert, layer by layer: InMemory, or NotInMemory.
// The mount writes it as experts come and go, and a reader cannot. What it says
// may be over a moment later. An expert that the reader keeps mapped stays.
type Residency struct {
	names Names
	page  []byte
}

// The bytes of a Residency.
const (
	NotInMemory byte = 0 // on the drive, or still being read
	InMemory    byte = 1 // opening it reads nothing
)

// ErrNoResidency says that a mount does not show which experts are in RAM: it has
// no socket, or is of an earlier version.
var ErrNoResidency = errors.New("the mount does not show which experts are in RAM")

// ResidencySize is the length of the page in bytes.
func (n Names) ResidencySize() int { return n.Layers * n.Experts }

// ResidencyAt is where the page has the byte of an expert.
func (n Names) ResidencyAt(k Key) int { return int(k.Layer)*n.Experts + int(k.Expert) }

// OpenResidency maps the page of the mount at root. The error is ErrNotMounted for
// a plain folder, and ErrNoResidency for a mount that has none.
func OpenResidency(root string, names Names) (*Residency, error) {
	if _, err := os.Lstat(filepath.Join(root, ControlDir)); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", root, ErrNotMounted)
	}
	c, err := dial(filepath.Join(root, ControlDir, SocketFile), names, answerPatience)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", root, ErrNoResidency, err)
	}
	defer c.hangUp()
	fd, err := c.residency()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", root, ErrNoResidency, err)
	}
	defer syscall.Close(fd)
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return nil, os.NewSyscallError("fstat", err)
	}
	if st.Size != int64(names.ResidencySize()) {
		return nil, fmt.Errorf("%s: the residency has %d bytes, want one for each of %d experts", root, st.Size, names.ResidencySize())
	}
	page, err := syscall.Mmap(fd, 0, int(st.Size), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	return &Residency{names, page}, nil
}

// Layer copies the bytes of a layer's experts to dst, and returns how many there
// are.
func (r *Residency) Layer(dst []byte, layer int) int {
	return copy(dst, r.page[layer*r.names.Experts:(layer+1)*r.names.Experts])
}

// Count is the number of experts in RAM.
func (r *Residency) Count() int { return bytes.Count(r.page, []byte{InMemory}) }

// Close unmaps the page.
func (r *Residency) Close() error {
	if r == nil || r.page == nil {
		return nil
	}
	page := r.page
	r.page = nil
	return os.NewSyscallError("munmap", syscall.Munmap(page))
}
