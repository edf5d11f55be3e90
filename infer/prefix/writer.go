package prefix

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"time"

	"expertfs/infer"
)

// writer writes segments to the folder behind everybody's back, in the order in
// which they came, and keeps the folder within its budget.
type writer struct {
	s     *Store
	work  chan job
	ended chan struct{}
	abort chan struct{} // closed: nothing more is written

	// Guarded by the Store's lock.
	bytes  int64 // of the States that are queued
	closed bool
	warned bool // that something was not written

	// The goroutine's own.
	used    int64 // bytes of the folder, when it was listed and since
	counted int64 // written since the folder was listed
}

// job is a path whose files get the time of its use, after those that are missing
// were written.
type job struct {
	path  []*segment
	write []unsaved
	used  time.Time
}

type unsaved struct {
	*segment
	state *infer.State
}

// What waits cannot be evicted from RAM. It is bounded by the budget, and where that is
// small by leastQueue bytes.
const (
	mostJobs   = 4096
	leastQueue = 64 << 20
)

func newWriter(s *Store) *writer {
	w := &writer{s: s, work: make(chan job, mostJobs), ended: make(chan struct{}), abort: make(chan struct{})}
	_, left, last, err := victims(s.root, math.MaxInt64)
	if w.used = left; err != nil {
		w.counted = math.MaxInt64 / 2 // it is listed after the first write
	}
	s.used(last)
	go w.run()
	return w
}

// add takes a path that was used. What has no file yet is written, unless too much
// waits. The Store's lock is held.
func (w *writer) add(path []*segment) {
	if w.closed {
		return
	}
	used := path[len(path)-1].used
	path = w.fitting(path)
	j := job{path: path, used: used}
	var bytes int64
	for _, p := range path {
		if !p.saved && !p.queued && p.state != nil {
			j.write = append(j.write, unsaved{p, p.state})
			bytes += p.state.Memory()
		}
	}
	if w.bytes > 0 && w.bytes+bytes > max(w.s.ram, leastQueue) {
		w.dropped(len(j.write), "the drive is slower than the model")
		return
	}
	select {
	case w.work <- j:
	default:
		w.dropped(len(j.write), "the drive is slower than the model")
		return
	}
	for _, p := range j.write {
		p.queued = true
	}
	w.bytes += bytes
}

// fitting returns as much of a path as has room in the folder. Were more of it
// written it would drive all others out, and go itself.
func (w *writer) fitting(path []*segment) []*segment {
	room := w.s.disk
	for i, p := range path {
		h := header{ids: p.ids, sums: make([]uint32, len(w.s.shape.Sliding))}
		if room -= int64(h.size()) + w.s.shape.Bytes(p.from, p.to); room < 0 {
			return path[:i]
		}
	}
	return path
}

// dropped counts segments that are not written. The Store's lock is held.
func (w *writer) dropped(n int, why any) {
	w.s.stats.Dropped += int64(n)
	if n > 0 && !w.warned {
		w.warned = true
		w.s.log.Warn("prefixes are not all stored", "folder", w.s.dir, "err", why)
	}
}

func (w *writer) run() {
	defer close(w.ended)
	for j := range w.work {
		for _, p := range j.write {
			w.write(p)
		}
		if w.aborted() {
			continue
		}
		for _, p := range j.path { // the end of a text no later than its beginning
			_ = os.Chtimes(w.s.path(p), time.Time{}, j.used)
		}
		if w.used > w.s.disk || w.counted > w.s.disk/16 {
			w.evict()
		}
	}
}

func (w *writer) aborted() bool {
	select {
	case <-w.abort:
		return true
	default:
		return false
	}
}

// write writes a segment whose parent is in the folder.
func (w *writer) write(p unsaved) {
	s := w.s
	s.mu.Lock()
	useless := p.gone || p.parent.parent != nil && !p.parent.saved || w.aborted()
	s.mu.Unlock()
	var size int64
	var err error
	if !useless {
		size, err = writeSegment(s.path(p.segment), s.key, p.segment, p.state, w.abort)
		if errors.Is(err, fs.ErrNotExist) && s.makeFolder() == nil { // somebody has removed it
			size, err = writeSegment(s.path(p.segment), s.key, p.segment, p.state, w.abort)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.queued = false
	w.bytes -= p.state.Memory()
	switch {
	case errors.Is(err, errGivenUp): // Close says so
	case err != nil:
		w.dropped(1, err)
	case !useless:
		p.saved = true
		s.stats.Written += size
		w.used += size
		w.counted += size
	}
	s.shrink()
}

// evict removes files until the others fit. Others write too, so that it looks at
// the folder now and then.
func (w *writer) evict() {
	out, left, last, err := victims(w.s.root, w.s.disk)
	if err != nil {
		w.s.log.Warn("stored prefixes cannot be listed", "err", err)
		return
	}
	w.used, w.counted = left, 0
	for _, f := range out {
		_ = os.Remove(f.path)
	}
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.s.used(last) // be it of another model
	for _, f := range out {
		if p := w.s.tree.byID[f.id]; p != nil {
			p.saved = false
			if p.state == nil {
				w.s.tree.remove(p, w.s.forget)
			}
		}
	}
}

// hangs is how long the end of a process waits for a drive that does not answer.
const hangs = time.Second

// close ends the writer when all is written, or ctx ends. A write that hangs then is
// left to the end of the process.
func (w *writer) close(ctx context.Context) error {
	w.s.mu.Lock()
	closed := w.closed
	w.closed = true
	w.s.mu.Unlock()
	if closed {
		return nil
	}
	close(w.work)
	select {
	case <-w.ended:
		return nil
	case <-ctx.Done():
	}
	close(w.abort)
	select {
	case <-w.ended:
	case <-time.After(hangs):
	}
	return fmt.Errorf("not all prefixes were stored: %w", ctx.Err())
}
