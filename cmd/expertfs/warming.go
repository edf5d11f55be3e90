package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"expertfs"
	"expertfs/checkpoint/source/diskcache"
)

// warming is one filling of the cache.
type warming struct {
	total  int64
	done   atomic.Int64
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // once ended
}

// errNoCache is the refusal of a mount that keeps nothing.
var errNoCache = errors.New("nothing is kept on a drive: mount with --cache-dir")

// Warm implements fsys.Remote: it begins to fetch what paths name into the cache. One
// that is under way ends.
func (p *place) Warm(paths []string) error {
	if p.cache == nil {
		return errNoCache
	}
	var ranges []diskcache.Range
	for _, path := range paths {
		rs, err := p.ranges(path)
		if err != nil {
			return err
		}
		ranges = append(ranges, rs...)
	}
	p.beginning.Lock()
	defer p.beginning.Unlock()
	p.StopWarm()
	ctx, cancel := context.WithCancel(context.Background())
	w := &warming{total: diskcache.Bytes(ranges), cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		defer cancel()
		w.err = p.cache.Fill(ctx, ranges, func(n int64) { w.done.Add(n) })
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.warm = w
	return nil
}

// StopWarm implements fsys.Remote.
func (p *place) StopWarm() {
	p.mu.Lock()
	w := p.warm
	p.mu.Unlock()
	if w != nil {
		w.cancel()
		<-w.ended
	}
}

// Warming implements fsys.Remote.
func (p *place) Warming() expertfs.Warming {
	p.mu.Lock()
	w := p.warm
	p.mu.Unlock()
	if w == nil {
		return expertfs.Warming{State: expertfs.WarmIdle}
	}
	s := expertfs.Warming{State: expertfs.WarmRunning, Done: w.done.Load(), Total: w.total}
	select {
	case <-w.ended:
	default:
		return s
	}
	switch {
	case w.err == nil:
		s.State = expertfs.WarmDone
	case errors.Is(w.err, context.Canceled):
		s.State = expertfs.WarmStopped
	default:
		s.State, s.Error = expertfs.WarmFailed, w.err.Error()
	}
	return s
}

// ranges finds what a path of the tree is made of. Layers may be given as from-to.
func (p *place) ranges(path string) ([]diskcache.Range, error) {
	c := p.ck.Config()
	names := expertfs.Names{Layers: c.Layers, Experts: c.Experts}
	files := p.ck.Files()
	path = strings.Trim(path, "/")
	switch path {
	case ".", "":
		return p.cache.All(), nil
	case expertfs.EmbeddingPath:
		return diskcache.Ranges(files, p.ck.Embedding()), nil
	case expertfs.UnembeddingPath:
		return diskcache.Ranges(files, p.ck.Unembedding()), nil
	case expertfs.DenseDir:
		return append(diskcache.Ranges(files, p.ck.Embedding()), diskcache.Ranges(files, p.ck.Unembedding())...), nil
	}
	if k, ok := names.ParseExpertPath(path); ok {
		return diskcache.Ranges(files, p.ck.Expert(k)), nil
	}
	from, to, err := layerRange(path, c.Layers)
	if err != nil {
		return nil, err
	}
	var rs []diskcache.Range
	for layer := from; layer <= to; layer++ {
		rs = append(rs, diskcache.Ranges(files, p.ck.Dense(layer))...)
		for expert := range c.Experts {
			rs = append(rs, diskcache.Ranges(files, p.ck.Expert(expertfs.NewKey(layer, expert)))...)
		}
	}
	return rs, nil
}

// layerRange reads layers/07 and layers/00-05.
func layerRange(path string, layers int) (from, to int, err error) {
	rest, ok := strings.CutPrefix(path, expertfs.LayersDir+"/")
	first, last, several := strings.Cut(rest, "-")
	if !several {
		last = first
	}
	from, err1 := strconv.Atoi(first)
	to, err2 := strconv.Atoi(last)
	if !ok || err1 != nil || err2 != nil || from < 0 || from > to || to >= layers {
		return 0, 0, fmt.Errorf("%q: expected ., dense, layers/07, layers/00-05 or the path of an expert, of %d layers", path, layers)
	}
	return from, to, nil
}
