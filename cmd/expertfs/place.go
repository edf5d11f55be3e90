package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"expertfs"
	"expertfs/checkpoint"
	"expertfs/checkpoint/source"
	"expertfs/checkpoint/source/diskcache"
	"expertfs/checkpoint/source/remote"
	"expertfs/fsys"
)

// cacheNone is the value of --cache-dir that keeps nothing.
const cacheNone = "none"

// place is the place on a network that a checkpoint is in, and its cache; nil for
// a checkpoint of this machine. It implements fsys.Remote.
type place struct {
	folder *remote.Folder
	cache  *diskcache.Cache // nil for none
	said   []string         // what the user should know

	ck *checkpoint.Checkpoint

	beginning sync.Mutex // of a warming: one at a time

	mu sync.Mutex
	// GUARDED BY mu.
	warm *warming // the last one, nil before the first
}

// openCheckpoint opens the checkpoint, with a cache around a place on a network.
func (c *mountConfig) openCheckpoint(log *slog.Logger) (*checkpoint.Checkpoint, *place, error) {
	var p *place
	o := checkpoint.Options{PlainHTTP: c.plainHTTP, Mirrors: c.mirrors, Log: log, Cache: func(f *remote.Folder) (source.Folder, error) {
		p = &place{folder: f}
		return p.open(c, log)
	}}
	ck, err := checkpoint.OpenWith(c.checkpoint, o)
	if err == nil && p != nil {
		p.ck = ck
		if p.cache != nil {
			p.cache.Own(context.Background(), ck.Files(), ck.Small())
			p.cache.Together(ck.Files(), ck.Beside())
		}
	}
	if err != nil {
		if cerr := p.abandon(); cerr != nil {
			log.Warn("the cache was not closed in order", "err", cerr)
		}
		return nil, nil, err
	}
	return ck, p, nil
}

// open puts the cache that was asked for around the place.
func (p *place) open(c *mountConfig, log *slog.Logger) (source.Folder, error) {
	if c.cacheDir == cacheNone {
		return p.folder, nil
	}
	dir := c.cacheDir
	if dir == "" {
		dir = defaultCacheDir()
	}
	limit := int64(0)
	if c.cacheSize != "" {
		n, err := expertfs.ParseSize(c.cacheSize) // validate has read it
		if err != nil {
			return nil, err
		}
		limit = n
	}
	cache, said, err := diskcache.Open(p.folder, diskcache.Options{Dir: dir, Limit: limit, Log: log})
	if err != nil {
		return nil, err
	}
	p.cache, p.said = cache, said
	return cache, nil
}

// defaultCacheDir is the folder of expertfs in the user's cache folder; that of the
// system where nobody has a home, as at boot.
func defaultCacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = "/var/cache"
	}
	return filepath.Join(dir, "expertfs")
}

func (p *place) close() error {
	if p == nil || p.cache == nil {
		return nil
	}
	p.StopWarm()
	return p.cache.Close()
}

// abandon closes the cache of a place that cannot be mounted.
func (p *place) abandon() error {
	if p == nil || p.cache == nil {
		return nil
	}
	return p.cache.Abandon()
}

func (p *place) warnings() []string {
	if p == nil {
		return nil
	}
	return p.said
}

// evictBy has experts leave a cache that is full by their heat.
func (p *place) evictBy(ck *checkpoint.Checkpoint, c *fsys.Cache) {
	if p == nil || p.cache == nil {
		return
	}
	shape := shapeOf(ck)
	p.cache.Evictable(func() []diskcache.Use {
		heat := c.Heat()
		uses := make([]diskcache.Use, 0, shape.Layers*shape.Experts)
		for layer := range shape.Layers {
			for expert := range shape.Experts {
				k := expertfs.NewKey(layer, expert)
				uses = append(uses, diskcache.Use{
					Heat: float64(heat.Rate(k)), Last: c.Expert(k).LastAccess,
					Ranges: diskcache.Ranges(ck.Files(), ck.Expert(k)),
				})
			}
		}
		return uses
	})
}

// Stats implements fsys.Remote.
func (p *place) Stats() expertfs.SourceStats {
	f := p.folder.Figures()
	s := expertfs.SourceStats{
		Place: p.folder.Store().Name(), Requests: f.Requests, Bytes: f.Bytes, Retries: f.Retries, Errors: f.Errors,
	}
	if p.cache == nil {
		s.NotKept = fmt.Sprintf("--cache-dir %s", cacheNone)
		return s
	}
	k := p.cache.Figures()
	s.CacheDir, s.CachedBytes, s.CacheLimit, s.Complete, s.NotKept = p.cache.Dir(), k.Cached, k.Limit, k.Complete, k.Stopped
	s.Skipped = k.Skipped
	return s
}
