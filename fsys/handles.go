package fsys

import "sync"

// handle is an open file or directory.
type handle interface {
	// release ends it. The kernel sends no request for it afterwards.
	release()
}

// handles maps the numbers that the kernel knows open files by to handles.
// Number 0 is never given out.
type handles struct {
	mu   sync.Mutex
	last uint64
	open map[uint64]handle
}

func (h *handles) add(x handle) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open == nil {
		h.open = make(map[uint64]handle)
	}
	h.last++
	h.open[h.last] = x
	return h.last
}

// get returns nil for an unknown number.
func (h *handles) get(fh uint64) handle {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open[fh]
}

func (h *handles) remove(fh uint64) {
	h.mu.Lock()
	x := h.open[fh]
	delete(h.open, fh)
	h.mu.Unlock()
	if x != nil {
		x.release()
	}
}

// removeAll ends what is still open. The kernel sends no RELEASE for files
// that are open when the connection is cut.
func (h *handles) removeAll() {
	h.mu.Lock()
	open := h.open
	h.open = nil
	h.mu.Unlock()
	for _, x := range open {
		x.release()
	}
}

// count is the number of open files and directories.
func (h *handles) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.open)
}
