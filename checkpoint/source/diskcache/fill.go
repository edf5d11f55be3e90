package diskcache

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"expertfs/checkpoint/source"

	"golang.org/x/sync/errgroup"
)

// How Fill fetches: many requests, as nobody waits for one of them, of a size of
// which the memory for all is little.
const (
	fillWorkers = 32
	fillPart    = 1 << 20 // whatever of it is there, the rest takes less than fillRoom
)

// Own notes that the checkpoint is open, so that its files are known: those with
// weights, those that are open now, and small ones that were read as a whole. small are
// those beside the weights, which are fetched. A cache that lacks them, as it is full or
// the place is out of reach, is not complete; the checkpoint can be mounted all the same.
func (c *Cache) Own(ctx context.Context, weights, small []source.Source) {
	own := map[*file]bool{}
	for _, s := range weights {
		own[fileOf(s)] = true
	}
	var ranges []Range
	for _, s := range small {
		if f := fileOf(s); f != nil {
			own[f] = true
			ranges = append(ranges, Range{f, extent{0, f.info.Size}})
		}
	}
	if c.writes && c.stopped.Load() == nil {
		if err := c.Fill(ctx, ranges, nil); err != nil {
			c.log.Warn("not all small files are in the cache", "err", err)
		}
	}
	c.mu.Lock()
	var wanted []string
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		f := c.files[name]
		f.mu.Lock()
		if own[f] || f.opened > 0 || f.whole || f.have.covers(extent{0, f.info.Size}) {
			wanted = append(wanted, name)
		}
		f.mu.Unlock()
	}
	same := slices.Equal(wanted, c.wanted)
	c.wanted = wanted
	c.mu.Unlock()
	if !c.writes || same {
		return
	}
	if err := c.saveManifest(); err != nil {
		c.fail(manifestName, err)
	}
	c.complete.Store(c.hasWanted())
	c.keeper.kick()
}

// All returns all ranges of the checkpoint's files.
func (c *Cache) All() (rs []Range) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range c.wanted {
		f := c.files[name]
		rs = append(rs, Range{f, extent{0, f.info.Size}})
	}
	return rs
}

// Bytes is the length of ranges.
func Bytes(rs []Range) (n int64) {
	for _, r := range rs {
		n += r.len()
	}
	return n
}

// Fill fetches what is not here of ranges, in about their order. Progress, which may
// be nil, is told of bytes that are here, or on their way to the drive, each once. It is
// called concurrently. When Fill ends without an error all are written.
func (c *Cache) Fill(ctx context.Context, rs []Range, progress func(n int64)) error {
	g, filling := errgroup.WithContext(ctx)
	parts := make(chan Range)
	g.Go(func() error {
		defer close(parts)
		for _, r := range rs {
			for at := r.lo; at < r.hi; at += fillPart {
				select {
				case parts <- Range{r.file, extent{at, min(at+fillPart, r.hi)}}:
				case <-filling.Done():
					return context.Cause(filling)
				}
			}
		}
		return nil
	})
	for range min(fillWorkers, Bytes(rs)/fillPart+1) {
		g.Go(func() error {
			var buf []byte
			for p := range parts {
				if !p.file.has(p.extent) {
					if buf == nil {
						buf = make([]byte, fillPart)
					}
					if err := c.fillPart(filling, p, buf); err != nil {
						return err
					}
				}
				if progress != nil {
					progress(p.len())
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil || !c.writes {
		return err
	}
	if err := c.behind.flush(ctx); err != nil {
		return err
	}
	return c.keeping()
}

// keeping returns an error when nothing more is kept.
func (c *Cache) keeping() error {
	if why := c.stopped.Load(); why != nil {
		return fmt.Errorf("the cache keeps nothing: %s", *why)
	}
	if c.behind.isClosed() {
		return errClosed
	}
	return nil
}

// fillPart fetches one part, in which buf has room.
func (c *Cache) fillPart(ctx context.Context, p Range, buf []byte) error {
	if err := c.keeping(); err != nil {
		return err
	}
	if c.limit > 0 && c.used.Load()+p.len() > c.limit {
		return fmt.Errorf("the cache holds %d bytes, and may not hold more than %d", c.used.Load(), c.limit)
	}
	if _, err := (&handle{file: p.file}).read(ctx, buf[:p.len()], p.lo, true); err != nil {
		return fmt.Errorf("%s: %w", c.Describe(p.file.info.Name), err)
	}
	return c.keeping() // maybe not this either
}
