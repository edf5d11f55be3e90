package experts

import (
	"container/list"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"expertfs"
	"expertfs/infer/mapped"
)

// Options says which experts a Store fetches, and how.
type Options struct {
	Dir      string         // a mount, or a plain copy of one
	Names    expertfs.Names // of the model's experts
	TopK     int            // experts of each layer that a token uses
	Keep     int64          // experts kept mapped between uses, in bytes; or KeepAuto, KeepNone
	Prefetch Prefetch       // whether predictions are told to the mount
	Arena    *mapped.Arena  // where files are mapped

	// Residency says that the user wants to know what is in RAM: a folder that does
	// not show it is an error.
	Residency bool

	// Open opens an expert; nil: by the best way that Dir has. It is called by
	// several goroutines.
	Open func(expertfs.Key) (*expertfs.ExpertFile, error)
}

// Store opens experts in the background and keeps a bounded number of them mapped
// between uses. T is what the user makes of an expert's bytes.
type Store[T any] struct {
	Predictor *Predictor

	options Options
	folder  folder
	decode  func(expertfs.Key, *mapped.File) (T, error)

	mu         sync.Mutex      // held from Begin to the end of a batch; guards what follows
	ctx        context.Context // of the batch
	connection                 // to the folder
	announced  <-chan struct{} // closed when the mount has the latest step; nil on a plain folder

	mapped    map[expertfs.Key]*Expert[T]
	idle      *list.List // of *Expert[T] that are mapped and not in use, the least recently used first
	idleBytes int64

	ready    []*Expert[T]    // asked for and mapped
	arrived  chan *Expert[T] // from the goroutines that open
	opening  int             // asked for and not received from arrived
	busy     []*Expert[T]    // to be asked for again, see again
	unmapper unmapper

	refaults refaults // of a plain folder

	stats Stats // Waited, Used, Opened and OpenedBytes

	closing  chan struct{} // closed by Close
	watching bool          // watch runs
	watched  sync.WaitGroup
}

// Expert is an expert that was asked for.
type Expert[T any] struct {
	Key   expertfs.Key
	Value T // what decode made of its file

	file  *mapped.File
	err   error         // why it could not be opened
	alone bool          // asked for while nothing else was in use
	place *list.Element // in idle
}

// MaxOpening bounds how many experts are being opened at a time.
const MaxOpening = 16

// Open makes a store. No expert is opened. Decode finds in an expert's file what
// the user wants of it; it is called by several goroutines, under mapped.Guard.
func Open[T any](o Options, decode func(expertfs.Key, *mapped.File) (T, error)) (*Store[T], error) {
	s := &Store[T]{
		options: o, folder: folder{o.Dir, o.Names}, decode: decode,
		mapped: make(map[expertfs.Key]*Expert[T]), idle: list.New(),
		arrived: make(chan *Expert[T], MaxOpening), closing: make(chan struct{}),
	}
	var err error
	if s.connection, err = connect(&s.folder, &s.options); err != nil {
		return nil, err
	}
	s.Predictor = newPredictor(s.hints, o.Prefetch, o.Names, o.TopK)
	s.watchShare()
	return s, nil
}

// watchShare starts watch, if the mount has shares.
func (s *Store[T]) watchShare() {
	if !s.watching && s.quota.shared() {
		s.watching = true
		s.watched.Go(s.watch)
	}
}

// watchEvery is how often the share is asked for while no batch is under way.
const watchEvery = 100 * time.Millisecond

// watch gives up what is kept beyond the share while nothing is computed, when
// nobody else would: a reader that stands still would starve others.
func (s *Store[T]) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.closing:
			return
		case <-tick.C:
		}
		if !s.mu.TryLock() {
			continue
		}
		if s.idleBytes > 0 {
			s.quota.follow()
			s.shrink(s.quota.limit)
		}
		s.mu.Unlock()
	}
}

// Begin begins a batch of so many tokens. End or Abandon must follow, unless Begin
// returns an error. When ctx ends, Next does not wait any more for a mount that has no
// room. A mount that is gone is an error here, if it had shares.
func (s *Store[T]) Begin(ctx context.Context, tokens int) error {
	s.mu.Lock()
	if err := s.quota.begin(); err != nil {
		s.mu.Unlock()
		return err
	}
	s.ctx = ctx
	s.Predictor.begin(tokens, s.quota.short)
	s.shrink(s.quota.limit)
	return nil
}

// Announce says which experts a layer will use, in ascending order: the mount is
// told, also of which it will not see opened because they are still mapped, and
// predictions are compared with it. Where an open follows the lines are on their
// way at once, and the open waits for them: the step has to come before it.
func (s *Store[T]) Announce(layer int, experts []int) {
	s.Predictor.judge(layer, experts)
	if s.quota.share.old() {
		s.quota.follow()
		s.shrink(s.quota.limit)
	}
	if s.hints == nil {
		return
	}
	mapped := make([]int, 0, len(experts))
	for _, x := range experts {
		if _, ok := s.mapped[expertfs.NewKey(layer, x)]; ok {
			mapped = append(mapped, x)
		}
	}
	s.hints.Step(layer, experts)
	s.hints.Touch(layer, mapped)
	if len(mapped) < len(experts) {
		s.announced = s.hints.FlushLater()
	}
}

// Request asks for an expert, which a later call of Next returns. At most
// MaxOpening may be outstanding.
func (s *Store[T]) Request(k expertfs.Key) {
	s.stats.Used++
	x, ok := s.mapped[k]
	if !ok {
		s.open(&Expert[T]{Key: k})
		return
	}
	s.idle.Remove(x.place)
	s.idleBytes -= x.charge()
	x.place = nil
	if s.refaults.active() {
		s.background(x, x.file.Refresh)
	} else {
		s.ready = append(s.ready, x)
	}
}

// Mapped tells whether an expert is mapped, so that a Request of it opens nothing.
func (s *Store[T]) Mapped(k expertfs.Key) bool { return s.mapped[k] != nil && !s.refaults.active() }

// Outstanding is how many experts are being opened, or are to be opened again.
func (s *Store[T]) Outstanding() int { return s.opening + len(s.busy) }

// MostOpening is how many experts may be opened at a time: MaxOpening, and those of a
// mount with little RAM take no more than a quarter of it.
func (s *Store[T]) MostOpening() int { return int(min(MaxOpening, s.quota.budget/4/s.quota.size)) }

// Next returns one of the experts asked for, waiting for it if wait is set; nil
// when none is there (or none was asked for). Before it waits the caller releases
// what it has.
func (s *Store[T]) Next(wait bool) (*Expert[T], error) {
	for {
		if n := len(s.ready); n > 0 {
			x := s.ready[n-1]
			s.ready = s.ready[:n-1]
			return x, nil
		}
		if wait && s.opening == 0 {
			s.retry()
		}
		x := s.receive(wait)
		if x == nil {
			return nil, nil
		}
		if x.err == nil {
			s.admit(x)
			return x, nil
		}
		s.drop(x)
		if err := s.again(x); err != nil {
			return nil, err
		}
	}
}

// Release ends the use of x.
func (s *Store[T]) Release(x *Expert[T]) {
	x.place = s.idle.PushBack(x)
	s.idleBytes += x.charge()
	s.shrink(s.quota.limit)
}

// End ends a batch, which took so long and was computed; 0 stands for the time of
// some layers of one.
func (s *Store[T]) End(took time.Duration) error {
	defer s.mu.Unlock()
	s.Predictor.took(took)
	s.hints.Flush()
	if s.hints == nil {
		s.refaults.look()
	}
	return s.unmapper.wait()
}

// Abandon ends a batch after an error: what was asked for and not received is given
// back. What was received must have been released.
func (s *Store[T]) Abandon() error {
	defer s.mu.Unlock()
	s.busy = s.busy[:0]
	for s.opening > 0 {
		x := s.receive(true)
		if x.err != nil {
			s.drop(x) // the first error is the one that counts
			continue
		}
		s.admit(x)
		s.ready = append(s.ready, x)
	}
	for _, x := range s.ready {
		s.Release(x)
	}
	s.ready = s.ready[:0]
	return s.unmapper.wait()
}

// Close unmaps everything. All experts must have been released.
func (s *Store[T]) Close() error {
	close(s.closing)
	s.watched.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shrink(0)
	return errors.Join(s.unmapper.wait(), s.connection.close())
}

// Stats returns what was counted since the store was opened. It waits for the end
// of a batch.
func (s *Store[T]) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Kept = s.idleBytes
	bySocket, _ := s.opener.Opens()
	st.BySocket += bySocket
	st.HintsLost += s.hints.Lost()
	st.Prediction = slices.Clone(s.Predictor.counts)
	st.Ahead = s.Predictor.ahead
	return st
}
