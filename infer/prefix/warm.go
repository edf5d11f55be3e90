package prefix

import (
	"cmp"
	"context"
	"slices"

	"golang.org/x/sync/errgroup"
)

// Warm reads the segments used last into RAM, as many as have room there, until all
// are read or ctx ends. A server does it before its first request comes: that would
// wait for the files.
func (s *Store) Warm(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(readers)
	for _, p := range s.latest() {
		g.Go(func() error {
			if ctx.Err() == nil {
				s.read(ctx, p)
			}
			return nil
		})
	}
	_ = g.Wait()
}

// Latest returns the text used last, as far as it is known; nil if none is.
func (s *Store) Latest() (ids []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var last *segment
	for _, p := range s.tree.byID {
		if last == nil || cmp.Or(p.used.Compare(last.used), cmp.Compare(p.to, last.to), cmp.Compare(p.id.String(), last.id.String())) > 0 {
			last = p
		}
	}
	if last == nil {
		return nil
	}
	for _, p := range last.path() {
		ids = ids[:p.from] // the end of its parent may be of another text
		for _, t := range p.ids {
			ids = append(ids, int(t))
		}
	}
	return ids
}

// latest returns the segments that are in files alone, as many as have room in RAM,
// those used last first, and of a text its beginning first.
func (s *Store) latest() (out []*segment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.tree.byID {
		if p.saved && p.state == nil {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *segment) int { return cmp.Or(b.used.Compare(a.used), cmp.Compare(a.to, b.to)) })
	room := s.ram - s.memory
	for i, p := range out {
		if room -= s.shape.Memory(p.from, p.to); room < 0 {
			return out[:i]
		}
	}
	return out
}
