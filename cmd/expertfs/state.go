package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/policy"
	"expertfs/policy/heat"

	"golang.org/x/sys/unix"
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
	pending bool // a flush is on its way
	ended   bool // closed or failed
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
		t.ended = true
		t.log.Error("the trace ends here", "file", t.file.Name(), "err", err)
	}
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

// heatFile keeps what was learned about a model from mount to mount. Once it is
// loaded it is safe for concurrent use.
type heatFile struct {
	path    string // "" when nothing is kept
	model   string
	shape   expertfs.Shape
	log     *slog.Logger
	warning string // of load, for the user

	writing sync.Mutex
}

// heatInterval is how much of what was learned a crash may cost.
const heatInterval = time.Minute

// load reads what an earlier mount has learned; nil when there is nothing yet.
// It refuses a file that could not be replaced in the end. That of another model
// is left as it is: nothing is read from it and nothing will be saved.
func (h *heatFile) load() (*policy.Heat, error) {
	if h.path == "" {
		return nil, nil
	}
	if err := heat.Check(h.path); err != nil {
		return nil, withCode(exitNoOverwrite, fmt.Errorf("--heat: %w", err))
	}
	learned, err := heat.Load(h.path, h.model, h.shape)
	switch {
	case errors.Is(err, heat.ErrOtherModel):
		h.warning = fmt.Sprintf("--heat is ignored: %v", err)
		h.log.Warn("--heat is ignored", "err", err)
		h.path = ""
		return nil, nil
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, heat.ErrNotHeat):
		// Nothing yet: there is no file, or one that Check knows to be empty.
	case err != nil:
		return nil, fmt.Errorf("--heat: %w", err)
	}
	if dir := filepath.Dir(h.path); unix.Access(dir, unix.W_OK) != nil {
		return nil, fmt.Errorf("--heat: cannot write to %s", dir)
	}
	return learned, nil
}

// save writes what was learned.
func (h *heatFile) save(learned *policy.Heat) error {
	if h.path == "" {
		return nil
	}
	h.writing.Lock()
	defer h.writing.Unlock()
	return heat.Save(h.path, h.model, h.shape, learned)
}

// saveEvery saves what was learned until then at each interval, until done.
func (h *heatFile) saveEvery(interval time.Duration, learned func() *policy.Heat, done <-chan struct{}) {
	if h.path == "" {
		return
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			if err := h.save(learned()); err != nil {
				h.log.Warn("what was learned is not saved", "err", err)
				continue
			}
			h.log.Debug("saved what was learned", "file", h.path)
		}
	}
}
