package prefix

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"expertfs/infer"

	"golang.org/x/sync/errgroup"
)

// Options say what a Store keeps and where.
type Options struct {
	Shape *infer.Shape // of the model's States
	Key   [16]byte     // of all that States depend on: the model and its numerics
	Model Model        // the same in words
	Start int          // the token that begins messages; negative: there is none
	Dir   string       // of all models; "": nothing is written
	Disk  int64        // bytes of Dir
	RAM   int64        // bytes of States; sessions may have some of them too
	Log   *slog.Logger
}

// Store keeps prefixes. Its methods are safe for concurrent use.
type Store struct {
	shape *infer.Shape
	key   id
	model Model
	start int
	root  string // Dir
	dir   string // of the key
	disk  int64
	ram   int64
	log   *slog.Logger

	writer *writer // nil without a folder

	mu     sync.Mutex // guards what follows, and all segments
	tree   tree
	memory int64     // of States in the tree
	clock  time.Time // of the latest use known
	listed time.Time // the folder's time then
	warned bool      // of a file that cannot be read
	stats  Stats
}

// Stats count what a Store did since it was opened.
type Stats struct {
	Restored int64 // tokens
	Read     int64 // bytes, from files
	Written  int64 // bytes, to files
	Dropped  int64 // segments that were not written: the drive was too slow, or full
	Torn     int64 // files that were not what they should be
}

// Open returns a Store of what Dir has. It makes the folder if there is none.
func Open(o Options) (*Store, error) {
	s := &Store{
		shape: o.Shape, key: o.Key, model: o.Model, start: o.Start, root: o.Dir, disk: o.Disk, ram: o.RAM, log: o.Log, tree: newTree(o.Shape),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if o.Dir == "" {
		return s, nil
	}
	s.dir = filepath.Join(o.Dir, s.key.String())
	if err := s.makeFolder(); err != nil {
		return nil, err
	}
	s.scan()
	s.writer = newWriter(s)
	return s, nil
}

// makeFolder makes the folder of the key, if there is none.
func (s *Store) makeFolder() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if err := claim(s.dir); err != nil {
		return err
	}
	return s.model.describe(s.dir)
}

// Close writes what is still to be written, until ctx ends.
func (s *Store) Close(ctx context.Context) error {
	if s.writer == nil {
		return nil
	}
	return s.writer.close(ctx)
}

// Stats returns what was counted so far.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Known is how many first tokens of prompt, at most as many as most, are known. What
// has them is used.
func (s *Store) Known(prompt []int, most int) int {
	s.scan()
	s.mu.Lock()
	defer s.mu.Unlock()
	last, at := s.tree.longest(prompt, most)
	s.touch(last.path())
	return at
}

// load returns the longest beginning of prompt that can be had, at most of most
// tokens, and its States. Those that are not in RAM are read, several at a time, until
// ctx ends: then it is what there is.
func (s *Store) load(ctx context.Context, prompt []int, most int) (n int, states []*infer.State) {
	s.mu.Lock()
	last, n := s.tree.longest(prompt, most)
	path := last.path()
	states = make([]*infer.State, len(path))
	for i, p := range path {
		states[i] = p.state
	}
	s.mu.Unlock()

	var g errgroup.Group
	g.SetLimit(readers)
	for i, p := range path {
		if states[i] == nil {
			g.Go(func() error {
				states[i] = s.read(ctx, p)
				return nil
			})
		}
	}
	_ = g.Wait()
	if i := slices.Index(states, nil); i >= 0 {
		n, states = path[i].from, states[:i]
	}
	s.mu.Lock()
	s.stats.Restored += int64(n)
	s.mu.Unlock()
	return n, states
}

// readers is how many files are read at a time.
const readers = 8

// read returns the state of a segment from its file, or nil if that is of no use or
// ctx has ended before all of it was read. What somebody else is reading is waited for.
func (s *Store) read(ctx context.Context, p *segment) *infer.State {
	s.mu.Lock()
	for p.state == nil && p.reading != nil {
		others := p.reading
		s.mu.Unlock()
		select {
		case <-others:
		case <-ctx.Done():
			return nil
		}
		s.mu.Lock()
	}
	if state := p.state; state != nil {
		s.mu.Unlock()
		return state
	}
	read := make(chan struct{})
	p.reading = read
	s.mu.Unlock()

	path := s.path(p)
	state, err := readSegment(ctx, path, s.key, p, s.shape)
	s.mu.Lock()
	defer s.mu.Unlock()
	p.reading = nil
	close(read)
	if err != nil {
		if ctx.Err() == nil {
			s.lost(p, path, err)
		}
		return nil
	}
	s.stats.Read += s.shape.Bytes(p.from, p.to)
	if !p.gone {
		s.put(p, state)
		s.shrink()
	}
	return state
}

// lost takes a segment whose file cannot be read out of the tree. The lock is held.
func (s *Store) lost(p *segment, path string, err error) {
	s.discard(path, err)
	p.saved = false
	s.tree.remove(p, s.forget)
}

// discard removes a file that is of no use. The lock is held.
func (s *Store) discard(path string, err error) {
	switch {
	case errors.Is(err, fs.ErrNotExist): // another process has evicted it
	case errors.Is(err, errTorn) && os.Remove(path) == nil:
		s.stats.Torn++
		s.log.Warn("a stored prefix is of no use and is removed", "file", path, "err", err)
	case !s.warned: // the folder is looked at again and again
		s.warned = true
		s.log.Warn("stored prefixes cannot be read; others are not reported", "file", path, "err", err)
	}
}

func (s *Store) path(p *segment) string { return filepath.Join(s.dir, fileName(p)) }

// keep takes a text's tokens, as far as the store does not have them: the text can go
// on at its end then, and at its last token if it comes again. State makes what it has
// of some positions, or nil.
func (s *Store) keep(ids []int, state func(from, to int) *infer.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	parent, at := s.tree.longest(ids, len(ids))
	if before, again := s.tree.longest(ids, len(ids)-1); again < len(ids)-1 { // a text that is known is one token longer
		parent, at = before, again
	}
	if at < len(ids) {
		st := state(at, len(ids))
		if st == nil {
			return
		}
		fresh := make([]int32, 0, len(ids)-at)
		for _, t := range ids[at:] {
			fresh = append(fresh, int32(t))
		}
		parent = s.tree.add(parent, at, fresh)
		s.put(parent, st)
	}
	s.touch(parent.path())
	s.shrink()
}

// put gives a segment its state. The lock is held.
func (s *Store) put(p *segment, state *infer.State) {
	if p.state == nil {
		p.state = state
		s.memory += state.Memory()
	}
}

// forget is told of a segment that has left the tree. The lock is held.
func (s *Store) forget(p *segment) {
	if p.state != nil {
		s.memory -= p.state.Memory()
		p.state = nil
	}
}

// touch says that a path was used, and has written what is not yet. The lock is
// held.
func (s *Store) touch(path []*segment) {
	now := s.tick()
	for _, p := range path {
		p.used = now
	}
	if s.writer != nil && len(path) > 0 {
		s.writer.add(path)
	}
}

// tick is the time of a use: now, or just after the latest one known if the clock was
// set back. What was used last must not be taken for the oldest. The lock is held.
func (s *Store) tick() time.Time {
	now := time.Now().Round(0) // as files have it
	if !now.After(s.clock) {
		now = s.clock.Add(1)
	}
	s.clock = now
	return now
}

// used is told of a use by another process, or an earlier one. The lock is held.
func (s *Store) used(at time.Time) {
	if at.After(s.clock) {
		s.clock = at
	}
}

// shrink evicts States until the others fit: those used longest ago first, and of a
// text its end first. A segment that has no file leaves the tree with its State;
// one that is being written stays. The lock is held.
func (s *Store) shrink() {
	if s.memory <= s.ram {
		return
	}
	all := make([]*segment, 0, len(s.tree.byID))
	for _, p := range s.tree.byID {
		if p.state != nil && !p.queued {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *segment) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(b.to, a.to)) })
	for _, p := range all {
		if s.memory <= s.ram {
			return
		}
		switch {
		case p.saved:
			s.forget(p)
		case len(p.children) == 0:
			s.tree.remove(p, s.forget)
		}
	}
}
