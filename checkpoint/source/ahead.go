package source

import (
	"context"
	"sync"
)

// What is read ahead of small reads: the first time little, as headers are
// small; twice as much each time where reads follow each other.
const (
	aheadFirst = 256 << 10
	aheadMost  = 4 << 20
)

// Ahead returns a source that reads more than it is asked for, and keeps it for the
// reads that follow: for sources of which each read costs a request. Bulk is that
// of s, without.
func Ahead(s Source) Source { return &ahead{Source: s, next: aheadFirst} }

type ahead struct {
	Source

	mu   sync.Mutex
	off  int64  // of buf in the file
	buf  []byte // what was read last
	next int64  // bytes that were to be read then
}

func (a *ahead) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	n, next := a.look(p, off)
	if n > 0 || len(p) == 0 || off >= a.Size() {
		return n, nil
	}
	if int64(len(p)) >= aheadMost {
		return a.Source.ReadAt(ctx, p, off)
	}
	// Without the lock: who wants something else need not wait for this.
	buf := make([]byte, min(max(next, int64(len(p))), a.Size()-off))
	n, err := a.Source.ReadAt(ctx, buf, off)
	if err != nil {
		return 0, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.off, a.buf, a.next = off, buf[:n], next
	return copy(p, a.buf), nil
}

// look takes from what was read before, or says how much is to be read next.
func (a *ahead) look(p []byte, off int64) (n int, next int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n = a.copy(p, off); n > 0 {
		return n, 0
	}
	if len(a.buf) > 0 && off == a.off+int64(len(a.buf)) {
		return 0, min(2*a.next, aheadMost)
	}
	return 0, aheadFirst
}

// copy takes from what was read before. a.mu is held.
func (a *ahead) copy(p []byte, off int64) int {
	if off < a.off || off >= a.off+int64(len(a.buf)) {
		return 0
	}
	return copy(p, a.buf[off-a.off:])
}

// Near tells what the source itself has at hand.
func (a *ahead) Near(off, n int64) bool { return Near(a.Source, off, n) }

// Close forgets what was read.
func (a *ahead) Close() error {
	a.mu.Lock()
	a.buf = nil
	a.mu.Unlock()
	return a.Source.Close()
}

// Unwrap returns the source that another one is around.
func (a *ahead) Unwrap() Source { return a.Source }
