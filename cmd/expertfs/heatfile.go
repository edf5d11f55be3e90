package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"expertfs"
	"expertfs/policy"
	"expertfs/policy/heat"

	"golang.org/x/sys/unix"
)

// heatFile keeps what was learned about a model from mount to mount: the heat, and
// beside it, in a file of its own, what the policy has learned. Once they are loaded
// it is safe for concurrent use.
type heatFile struct {
	path     string // "" when nothing is kept
	model    string
	shape    expertfs.Shape
	log      *slog.Logger
	warnings []string // of load and adopted, for the user

	kind    string // of what the policy of an earlier mount has learned, "" for nothing
	foreign bool   // the file beside the heat is not ours to replace

	writing     sync.Mutex
	heatLost    atomic.Pointer[string] // why the heat was not saved the last time
	learnedLost atomic.Pointer[string] // the same of what the policy has learned
}

// learner is what learns, a cache.
type learner interface {
	Heat() *policy.Heat
	Learned() policy.Learned
	Learns() bool // whether Learned returns anything
}

const (
	// heatInterval is how much of the heat a crash may cost.
	heatInterval = time.Minute
	// learnedEvery is the same for what the policy has learned, which may be some
	// ten MB, in intervals.
	learnedEvery = 10
	// learnedSuffix makes the name of the file beside the heat.
	learnedSuffix = ".learned"
)

// load reads what an earlier mount has learned; nothing when there is nothing yet.
// It refuses a heat file that could not be replaced in the end. That of another model
// is left as it is: nothing is read from it and nothing will be saved.
func (h *heatFile) load() (*policy.Heat, policy.Learned, error) {
	none := policy.Learned{}
	if h.path == "" {
		return nil, none, nil
	}
	if err := heat.Check(h.path); err != nil {
		return nil, none, withCode(exitNoOverwrite, fmt.Errorf("--heat: %w", err))
	}
	rates, err := heat.Load(h.path, h.model, h.shape)
	switch {
	case errors.Is(err, heat.ErrOtherModel):
		h.warn("--heat is ignored: %v", err)
		h.path = ""
		return nil, none, nil
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, heat.ErrNotHeat):
		// Nothing yet: there is no file, or one that Check knows to be empty.
	case err != nil:
		return nil, none, fmt.Errorf("--heat: %w", err)
	}
	if dir := filepath.Dir(h.path); unix.Access(dir, unix.W_OK) != nil {
		return nil, none, fmt.Errorf("--heat: cannot write to %s", dir)
	}
	return rates, h.loadLearned(), nil
}

// loadLearned reads what the policy of an earlier mount has learned. The mount goes
// on without it where it cannot be read.
func (h *heatFile) loadLearned() policy.Learned {
	l, err := heat.LoadLearned(h.path+learnedSuffix, h.model)
	switch {
	case err == nil:
		h.kind = l.Kind
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, heat.ErrUnreadable):
		h.warn("the policy begins to learn anew: %v; the file will be replaced", err)
	default:
		h.foreign = true
		h.warn("the policy begins to learn anew, and what it learns is not kept: %v; the file is left alone", err)
	}
	return l
}

// adopted says so where the policy in use cannot go on from what was loaded.
func (h *heatFile) adopted(by learner) {
	if h.kind == "" {
		return
	}
	if now := by.Learned().Kind; now != h.kind {
		h.warn("the policy begins to learn anew: %s is of another one (%s) and will be replaced by that of this (%s)", h.path+learnedSuffix, h.kind, now)
	}
}

// warn tells the user and the log.
func (h *heatFile) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	h.warnings = append(h.warnings, text)
	h.log.Warn(text)
}

// save writes what was learned.
func (h *heatFile) save(of learner) error {
	return errors.Join(h.saveHeat(of), h.saveLearned(of))
}

// saved notes in lost what came of saving a file.
func saved(lost *atomic.Pointer[string], err error) error {
	var why *string
	if err != nil {
		text := "what is learned is not saved: " + err.Error()
		why = &text
	}
	lost.Store(why)
	return err
}

// records tell how each of the files does that are to be saved.
func (h *heatFile) records(of learner) []expertfs.Record {
	if h.path == "" {
		return nil
	}
	record := func(file string, lost *atomic.Pointer[string]) expertfs.Record {
		r := expertfs.Record{Option: "heat", File: file}
		if why := lost.Load(); why != nil {
			r.Lost = *why
		}
		return r
	}
	all := []expertfs.Record{record(h.path, &h.heatLost)}
	if !h.foreign && of.Learns() {
		all = append(all, record(h.path+learnedSuffix, &h.learnedLost))
	}
	return all
}

func (h *heatFile) saveHeat(of learner) error {
	if h.path == "" {
		return nil
	}
	h.writing.Lock()
	defer h.writing.Unlock()
	return saved(&h.heatLost, heat.Save(h.path, h.model, h.shape, of.Heat()))
}

// saveLearned writes what the policy has learned, if it is one that learns.
func (h *heatFile) saveLearned(of learner) error {
	if h.path == "" || h.foreign {
		return nil
	}
	h.writing.Lock()
	defer h.writing.Unlock()
	l := of.Learned()
	if l.Kind == "" {
		return nil
	}
	return saved(&h.learnedLost, heat.SaveLearned(h.path+learnedSuffix, h.model, l))
}

// saveEvery saves what was learned until then at each interval, until done.
func (h *heatFile) saveEvery(interval time.Duration, of learner, done <-chan struct{}) {
	if h.path == "" {
		return
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-done:
			return
		case <-ticker.C:
			err := h.saveHeat(of)
			if n%learnedEvery == 0 {
				err = errors.Join(err, h.saveLearned(of))
			}
			if err != nil {
				h.log.Warn("what was learned is not saved", "err", err)
				continue
			}
			h.log.Debug("saved what was learned", "file", h.path)
		}
	}
}
