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
	next int64  // bytes to read the next time
}

func (a *ahead) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := a.copy(p, off); n > 0 || len(p) == 0 || off >= a.Size() {
		return n, nil
	}
	if int64(len(p)) >= aheadMost {
		return a.Source.ReadAt(ctx, p, off)
	}
	if len(a.buf) > 0 && off == a.off+int64(len(a.buf)) {
		a.next = min(2*a.next, aheadMost)
	} else {
		a.next = aheadFirst
	}
	buf := make([]byte, min(max(a.next, int64(len(p))), a.Size()-off))
	n, err := a.Source.ReadAt(ctx, buf, off)
	if err != nil {
		return 0, err
	}
	a.off, a.buf = off, buf[:n]
	return a.copy(p, off), nil
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
