package experts

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"expertfs"
)

// hints tells a mount which experts are used and which will be. Lines are
// gathered and written together. Hints are advice: one that cannot be delivered
// is dropped, since the weights are the same without it. On a plain folder, and
// on a nil *hints, every call does nothing. Not safe for concurrent use.
type hints struct {
	f       *os.File
	names   expertfs.Names
	buf     []byte
	ahead   []byte // lines of Prefetch
	keys    []expertfs.Key
	lost    atomic.Int64
	written <-chan struct{} // closed when the mount has what FlushLater wrote last; nil before
	later   chan prefetch   // what a goroutine writes
	done    chan struct{}
}

// prefetch is lines about later layers. The mount should know of the present step
// first, whose experts it must not evict for a prediction.
type prefetch struct {
	lines []byte
	after <-chan struct{} // nil if there is nothing to wait for
}

// maxHints is when the gathered lines are written even unasked.
const maxHints = 16 << 10

// openHints opens the file for hints of the mount at dir; it returns nil, and no
// error, where there is none or it may not be written.
func openHints(dir string, names expertfs.Names) (*hints, error) {
	file, err := os.OpenFile(filepath.Join(dir, expertfs.ControlPath(expertfs.HintsFile)), os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	h := &hints{f: file, names: names, later: make(chan prefetch, 1), done: make(chan struct{})}
	go h.writeLater()
	return h, nil
}

// Step says that the router chose these experts in layer, for one token or for
// one batch of tokens. It comes before they are opened or touched.
func (h *hints) Step(layer int, experts []int) { h.line(expertfs.Step, layer, experts) }

// Touch says that experts which stayed mapped are used again.
func (h *hints) Touch(layer int, experts []int) { h.line(expertfs.Touch, layer, experts) }

// ForgetAhead drops the lines of Prefetch that were not sent.
func (h *hints) ForgetAhead() {
	if h != nil {
		h.ahead = h.ahead[:0]
	}
}

// Prefetch says that experts will probably be opened soon. The line waits for
// SendAhead.
func (h *hints) Prefetch(layer int, experts []int) {
	if h == nil || len(experts) == 0 || len(h.ahead) > maxHints {
		return
	}
	h.ahead = h.append(h.ahead, expertfs.Prefetch, layer, experts)
}

// SendAhead has the lines of Prefetch written in the background: the computation
// does not wait for a prediction. While earlier ones are still being written, they go
// with the next call.
func (h *hints) SendAhead() {
	if h == nil || len(h.ahead) == 0 {
		return
	}
	select {
	case h.later <- prefetch{h.ahead, h.written}:
		h.ahead = nil
	default:
	}
}

func (h *hints) writeLater() {
	defer close(h.done)
	for p := range h.later {
		if p.after != nil {
			<-p.after
		}
		h.write(p.lines)
	}
}

func (h *hints) line(verb expertfs.Verb, layer int, experts []int) {
	if h == nil || len(experts) == 0 {
		return
	}
	h.buf = h.append(h.buf, verb, layer, experts)
	if len(h.buf) > maxHints {
		h.Flush()
	}
}

func (h *hints) append(dst []byte, verb expertfs.Verb, layer int, experts []int) []byte {
	h.keys = h.keys[:0]
	for _, e := range experts {
		h.keys = append(h.keys, expertfs.NewKey(layer, e))
	}
	return h.names.AppendHint(dst, verb, h.keys...)
}

func (h *hints) write(lines []byte) {
	if _, err := h.f.Write(lines); err != nil {
		h.lost.Add(1)
	}
}

// Flush writes the gathered lines.
func (h *hints) Flush() {
	if h == nil || len(h.buf) == 0 {
		return
	}
	h.write(h.buf)
	h.buf = h.buf[:0]
}

// FlushLater writes the gathered lines in the background. The channel is closed
// when the mount has them, and nil on a nil *hints; what must come after them
// waits for it.
func (h *hints) FlushLater() <-chan struct{} {
	if h == nil {
		return nil
	}
	written := make(chan struct{})
	lines := h.buf
	h.buf, h.written = nil, written
	go func() {
		defer close(written)
		h.write(lines)
	}()
	return written
}

// Lost is the number of writes that the mount did not take.
func (h *hints) Lost() int {
	if h == nil {
		return 0
	}
	return int(h.lost.Load())
}

// Close writes what is gathered and closes the file.
func (h *hints) Close() error {
	if h == nil {
		return nil
	}
	h.Flush()
	close(h.later)
	<-h.done
	return h.f.Close()
}
