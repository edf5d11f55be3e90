package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"expertfs"
	"expertfs/infer"
	"expertfs/infer/batch"
	"expertfs/infer/server"

	"github.com/dustin/go-humanize"
)

// servedModel is a chatModel that computes texts of several requests at a time. It is
// a server.Engine.
type servedModel struct {
	*chatModel
	share *shareFlags
	texts *batch.Texts
	slots int
}

// shareFlags say how many texts share the model, and in how much memory.
type shareFlags struct {
	parallel int    // texts at a time; 0: as memory allows
	kvRAM    string // most bytes of keys and values
	keep     int    // texts that are kept when nobody uses them
}

func (f *shareFlags) check() error {
	if f.parallel < 0 || f.parallel > mostParallel {
		return usageErrorf("--parallel %d: must be from 0 to %d", f.parallel, mostParallel)
	}
	if f.keep < 1 {
		return usageErrorf("--conversations %d: must be 1 or more", f.keep)
	}
	if _, err := expertfs.ParseSize(f.kvRAM); err != nil && f.kvRAM != "auto" {
		return usageErrorf("--kv-ram %q: want auto or a size such as 2GiB", f.kvRAM)
	}
	return nil
}

// fits refuses what is too little for one text of the model, whose weights need not be
// loaded for that.
func (f *shareFlags) fits(model *modelFlags) error {
	if f.kvRAM == "auto" {
		return nil
	}
	o, err := model.settings()
	if err != nil {
		return err
	}
	shape, context, err := infer.ShapeOf(model.dir, o)
	if err != nil {
		return flagError(err)
	}
	bytes, err := expertfs.ParseSize(f.kvRAM)
	if err != nil {
		return err
	}
	if least := shape.SessionBytes(min(leastText, context)); bytes < least {
		return usageErrorf("--kv-ram %s: must be %s at least, for one text of %d tokens", f.kvRAM, humanize.IBytes(uint64(least)), min(leastText, context))
	}
	return nil
}

const (
	mostParallel = 256
	// Without --parallel there are at most so many texts at a time, as long as each
	// has memory for a conversation of common length.
	usualParallel = 4
	usualText     = 8192
	// leastText is how many tokens there must be room for.
	leastText = 256
)

// load loads the weights, and tells how they are shared.
func (m *servedModel) load() error {
	if err := m.chatModel.load(); err != nil {
		return err
	}
	e := m.engine
	bytes, why, err := m.share.memory(e, m.name)
	if err != nil {
		return err
	}
	m.slots = m.share.parallel
	if m.slots == 0 {
		m.slots = int(min(usualParallel, max(1, bytes/e.SessionBytes(min(usualText, e.Context())))))
		why += fmt.Sprintf("; --parallel sets another number, by itself it is %d or as many texts of %d tokens as fit", usualParallel, usualText)
	}
	m.texts = batch.NewTexts(e, m.store, bytes, m.share.keep)
	m.warm()
	m.log.Info("texts share the model", "parallel", m.slots, "kv", humanize.IBytes(uint64(bytes)), "context", m.Context(), "why", why)
	return nil
}

// warmPatience is how long a server that is otherwise ready reads prefixes, and
// computes a token of the text used last.
const warmPatience = 2 * time.Second

// warm does what the first requests would wait for.
func (m *servedModel) warm() {
	ctx, cancel := context.WithTimeout(context.Background(), warmPatience)
	defer cancel()
	m.texts.Warm(ctx)
}

// memory is how many bytes keys and values may take, and why.
func (f *shareFlags) memory(e *infer.Engine, dir string) (bytes int64, why string, err error) {
	if f.kvRAM != "auto" {
		bytes, err = expertfs.ParseSize(f.kvRAM)
		return bytes, "--kv-ram", err
	}
	free, err := freeMemory()
	if err != nil {
		return 0, "", fmt.Errorf("%w: --kv-ram says how much memory there is for keys and values", err)
	}
	if st, err := expertfs.ReadStats(dir); err == nil { // what the mount may still take
		free -= max(0, st.Cache.Budget-st.Cache.ResidentBytes)
	}
	most := int64(usualParallel)
	if f.parallel > 0 {
		most = int64(f.parallel)
	}
	bytes = max(free/2, e.SessionBytes(min(usualText, e.Context())))
	return min(bytes, most*e.SessionBytes(e.Context())), "half of the free memory, or what all texts can take", nil
}

// freeMemory is how much memory the system has to give.
func freeMemory() (int64, error) {
	const path = "/proc/meminfo"
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kilobytes int64
		if rest, ok := strings.CutPrefix(lines.Text(), "MemAvailable:"); ok {
			if _, err := fmt.Sscan(rest, &kilobytes); err == nil {
				return kilobytes << 10, nil
			}
		}
	}
	return 0, fmt.Errorf("%s does not tell how much memory is free", path)
}

// Context is the most tokens of a text.
func (m *servedModel) Context() int { return m.texts.Context() }

// Slots is how many texts are computed at a time.
func (m *servedModel) Slots() int { return m.slots }

// Prompt makes texts of ids, as server.Engine wants it.
func (m *servedModel) Prompt(ctx context.Context, ids []int, most int, each func(int, []float32)) ([]server.Text, int, error) {
	x, reused, err := m.texts.Prompt(ctx, ids, each)
	if err != nil {
		return nil, 0, err
	}
	texts := []server.Text{x}
	for len(texts) < most {
		fork := x.Fork()
		if fork == nil {
			break
		}
		texts = append(texts, fork)
	}
	return texts, reused, nil
}

func (m *servedModel) close() error {
	if m.texts != nil {
		m.texts.Close()
	}
	return m.chatModel.close()
}

// reopened closes m, whose weights are of no use any more, and returns the same model
// loaded from what its folder is now.
func (m *servedModel) reopened() (*servedModel, error) {
	fresh, err := m.renewed(m.close)
	if err != nil {
		return nil, err
	}
	s := &servedModel{chatModel: fresh, share: m.share}
	if err := s.load(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// renewedModel is the model that a server uses, which is opened anew when its folder was
// gone and is back.
type renewedModel struct {
	mu      sync.Mutex // held while it is opened anew, and while it is closed
	present *servedModel
	over    bool // it was closed for good
}

// errOver answers who would open a model when the program ends.
var errOver = errors.New("the server ends")

// reopen is server.Server.Reopen.
func (r *renewedModel) reopen(context.Context, server.Engine) (server.Engine, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return nil, errOver
	}
	fresh, err := r.present.reopened()
	if err != nil {
		return nil, err
	}
	r.present = fresh
	return fresh, nil
}

// close closes the model for good. One that is just being opened is left to the end of
// the program: its mount may hang, and it has computed nothing that is to be kept.
func (r *renewedModel) close() error {
	if !r.mu.TryLock() {
		return nil
	}
	defer r.mu.Unlock()
	r.over = true
	return r.present.close()
}
