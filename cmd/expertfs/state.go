package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"expertfs"
	"expertfs/checkpoint"
)

// shapeOf is what policies and their files need to know of a model.
func shapeOf(ck *checkpoint.Checkpoint) expertfs.Shape {
	c := ck.Config()
	return expertfs.Shape{Layers: c.Layers, Experts: c.Experts, TopK: c.TopK, ExpertBytes: ck.ExpertSize()}
}

// traceFile records steps. Its failures are logged and cost the rest of the
// trace, not the mount. It is safe for concurrent use.
type traceFile struct {
	file   *os.File
	zipped bool
	log    *slog.Logger

	mu      sync.Mutex // guards what follows
	w       *expertfs.TraceWriter
	pending bool  // a flush is on its way
	ended   bool  // closed or failed
	lost    error // why it has ended early, nil when it has not
}

// traceDelay is how much of a compressed trace a crash may cost. Each flush
// makes the file a little larger, so it is not done for each step.
const traceDelay = time.Second

// createTrace begins a trace in a new file; one that exists is never touched. A
// name that ends in .gz is compressed. The trace is nil for an empty path.
func createTrace(path string, s expertfs.Shape, log *slog.Logger) (*traceFile, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, withCode(exitNoOverwrite, fmt.Errorf("--trace: %s exists; give the name of a new file", path))
	}
	if err != nil {
		return nil, fmt.Errorf("--trace: %w", err)
	}
	zipped := strings.HasSuffix(path, ".gz")
	meta := expertfs.TraceMeta{Layers: s.Layers, Experts: s.Experts, TopK: s.TopK, ExpertBytes: s.ExpertBytes}
	return &traceFile{file: f, w: expertfs.NewTraceWriter(f, zipped, meta), zipped: zipped, log: log}, nil
}

// step records a step, or the end of a stream. A plain trace can be followed while it is written, a
// compressed one is behind by traceDelay.
func (t *traceFile) step(s expertfs.TraceStep) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	t.w.Step(s)
	switch {
	case !t.zipped:
		t.flush()
	case !t.pending:
		t.pending = true
		time.AfterFunc(traceDelay, func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.pending = false
			t.flush()
		})
	}
}

// flush writes what was recorded to the file. t.mu is held.
func (t *traceFile) flush() {
	if t.ended {
		return
	}
	if err := t.w.Flush(); err != nil {
		t.ended, t.lost = true, err
		t.log.Error("the trace ends here", "file", t.file.Name(), "err", err)
	}
}

// record tells how the trace does, as it is in the file; nil without one.
func (t *traceFile) record() []expertfs.Record {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending {
		t.flush()
	}
	r := expertfs.Record{Option: "trace", File: t.file.Name()}
	if t.lost != nil {
		r.Lost = "it has ended: " + t.lost.Error()
	}
	return []expertfs.Record{r}
}

// hook is what the cache calls for each step, nil without a trace.
func (t *traceFile) hook() func(expertfs.TraceStep) {
	if t == nil {
		return nil
	}
	return t.step
}

// close ends the trace. That of a mount that came to nothing is removed: it was
// made here and holds nothing.
func (t *traceFile) close(mounted bool) error {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	err := errors.Join(t.w.Close(), t.file.Close())
	if !mounted {
		return errors.Join(err, os.Remove(t.file.Name()))
	}
	return err
}
