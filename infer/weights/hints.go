package weights

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Hints tells a mount which experts are used and which will be. Lines are
// gathered and written together. Hints are advice: one that cannot be delivered
// is dropped, since the weights are the same without it. On a plain folder, and
// on a nil *Hints, every call does nothing. Not safe for concurrent use.
type Hints struct {
	f      *os.File
	folder *Folder
	buf    []byte
	lost   int
}

// maxHints is when the gathered lines are written even unasked.
const maxHints = 16 << 10

// Hints opens the mount's file for hints; it returns nil, and no error, where
// there is none or it may not be written.
func (f *Folder) Hints() (*Hints, error) {
	file, err := os.OpenFile(filepath.Join(f.dir, ".expertfs", "hints"), os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &Hints{f: file, folder: f}, nil
}

// Step says that the router chose these experts in layer, for one token or for
// one batch of tokens. It comes before they are opened or touched.
func (h *Hints) Step(layer int, experts []int) { h.line("step", layer, experts) }

// Touch says that experts which stayed mapped are used again.
func (h *Hints) Touch(layer int, experts []int) { h.line("touch", layer, experts) }

// Prefetch says that experts will probably be opened soon.
func (h *Hints) Prefetch(layer int, experts []int) { h.line("prefetch", layer, experts) }

func (h *Hints) line(verb string, layer int, experts []int) {
	if h == nil || len(experts) == 0 {
		return
	}
	h.buf = append(h.buf, verb...)
	for _, e := range experts {
		h.buf = append(h.buf, ' ')
		h.buf = h.folder.expertName(h.buf, layer, e)
	}
	h.buf = append(h.buf, '\n')
	if len(h.buf) > maxHints {
		h.Flush()
	}
}

// Flush writes the gathered lines.
func (h *Hints) Flush() {
	if h == nil || len(h.buf) == 0 {
		return
	}
	if _, err := h.f.Write(h.buf); err != nil {
		h.lost++
	}
	h.buf = h.buf[:0]
}

// Lost is the number of writes that the mount did not take.
func (h *Hints) Lost() int {
	if h == nil {
		return 0
	}
	return h.lost
}

// Close writes what is gathered and closes the file.
func (h *Hints) Close() error {
	if h == nil {
		return nil
	}
	h.Flush()
	return h.f.Close()
}
