package infer

import (
	"container/list"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"expertfs/infer/weights"
)

// expertStore opens experts in the background and keeps a bounded number of
// them mapped between uses. It is used under the engine's lock.
type expertStore struct {
	load  func(layer, expert int) (*weights.Expert, error) // opens and maps one
	hints *weights.Hints                                   // nil on a plain folder
	told  <-chan struct{}                                  // closed when the mount has the latest step; nil on a plain folder
	keep  *keeper                                          // bounds what stays mapped beside the experts in use

	kept      map[expertKey]*heldExpert
	recent    *list.List // of *heldExpert, the least recently used first
	keptBytes int64

	ready   []*heldExpert    // asked for and mapped
	arrived chan *heldExpert // from the goroutines that open
	opening int              // asked for and not received from arrived
	busy    []*heldExpert    // to be asked for again, see again
	closing closer

	refaults refaults // of a plain folder

	stats Stats // Waited, Used, Opened and OpenedBytes
}

type expertKey struct{ layer, expert int }

// heldExpert is an expert that was asked for: mapped, or why it could not be.
type heldExpert struct {
	key    expertKey
	expert *weights.Expert
	err    error
	alone  bool          // asked for while nothing else was in use
	place  *list.Element // in recent, while it is kept and not in use
}

// maxOpening bounds how many experts are being opened at a time.
const maxOpening = 16

func newExpertStore(folder *weights.Folder, hints *weights.Hints, keep *keeper) *expertStore {
	return &expertStore{
		load: folder.Expert, hints: hints, keep: keep,
		kept: make(map[expertKey]*heldExpert), recent: list.New(),
		arrived: make(chan *heldExpert, maxOpening),
	}
}

// announce tells the mount which experts a layer will use, and which of them
// it will not see opened because they are still mapped. Where an open follows
// the lines are on their way at once, and the open waits for them: the step has
// to come before it.
func (s *expertStore) announce(layer int, experts []int) {
	if s.hints == nil {
		return
	}
	mapped := make([]int, 0, len(experts))
	for _, x := range experts {
		if _, ok := s.kept[expertKey{layer, x}]; ok {
			mapped = append(mapped, x)
		}
	}
	s.hints.Step(layer, experts)
	s.hints.Touch(layer, mapped)
	if len(mapped) < len(experts) {
		s.told = s.hints.FlushLater()
	}
}

// request asks for an expert, which a later call of next returns. At most
// maxOpening may be outstanding.
func (s *expertStore) request(layer, expert int) {
	s.stats.Used++
	k := expertKey{layer, expert}
	if h, ok := s.kept[k]; ok {
		s.recent.Remove(h.place)
		s.keptBytes -= h.expert.Bytes()
		h.place = nil
		if s.refaults.active() {
			s.background(h, func() error { return h.expert.Refresh() })
		} else {
			s.ready = append(s.ready, h)
		}
		return
	}
	s.open(&heldExpert{key: k})
}

// open starts opening h. The expert's header and scales are read through its
// mapping, so that it can fault.
func (s *expertStore) open(h *heldExpert) {
	told := s.told
	s.background(h, func() (err error) {
		if told != nil {
			<-told
		}
		h.expert, err = s.load(h.key.layer, h.key.expert)
		return err
	})
}

// background does something to h on a goroutine, from which next receives it.
func (s *expertStore) background(h *heldExpert, f func() error) {
	s.opening++
	go func() {
		h.err = guard(f)
		s.arrived <- h
	}()
}

// next returns one of the experts asked for, waiting for it if wait is set; nil
// when none is there (or none was asked for).
func (s *expertStore) next(wait bool) (*heldExpert, error) {
	for {
		if n := len(s.ready); n > 0 {
			h := s.ready[n-1]
			s.ready = s.ready[:n-1]
			return h, nil
		}
		if wait && s.opening == 0 {
			s.retry()
		}
		h := s.receive(wait)
		if h == nil {
			return nil, nil
		}
		if h.err == nil {
			s.admit(h)
			return h, nil
		}
		s.drop(h)
		if err := s.again(h); err != nil {
			return nil, err
		}
	}
}

// admit enters an expert that was opened, and does nothing to one that was
// mapped before.
func (s *expertStore) admit(h *heldExpert) {
	if s.kept[h.key] == h {
		return
	}
	s.stats.Opened++
	s.stats.OpenedBytes += h.expert.Bytes()
	s.kept[h.key] = h
}

// drop forgets an expert that was mapped and cannot be brought back.
func (s *expertStore) drop(h *heldExpert) {
	if s.kept[h.key] == h {
		delete(s.kept, h.key)
		s.closing.add(h)
	}
}

// receive takes one expert from the goroutines that open.
func (s *expertStore) receive(wait bool) *heldExpert {
	if s.opening == 0 {
		return nil
	}
	select {
	case h := <-s.arrived:
		s.opening--
		return h
	default:
	}
	if !wait {
		return nil
	}
	began := time.Now()
	h := <-s.arrived
	s.opening--
	s.stats.Waited += time.Since(began)
	return h
}

// again handles an expert that could not be opened. A mount answers EBUSY when
// readers hold all the RAM it may use. Then what is kept is let go, the expert is
// asked for once more when nothing is in use, and only that answer counts.
func (s *expertStore) again(h *heldExpert) error {
	if !errors.Is(h.err, unix.EBUSY) || h.alone {
		return h.err
	}
	s.keep.lower(s.keptBytes)
	s.shrink(0)
	s.busy = append(s.busy, h)
	return nil
}

// retry opens one expert that found the mount busy. Callers of next release
// what they have before they wait, so nothing is in use now.
func (s *expertStore) retry() {
	if n := len(s.busy); n > 0 {
		s.closing.running.Wait()
		h := s.busy[n-1]
		s.busy = s.busy[:n-1]
		h.err, h.alone = nil, true
		s.open(h)
	}
}

// endBatch is called when a batch of tokens is done.
func (s *expertStore) endBatch() error {
	s.hints.Flush()
	if s.hints == nil {
		s.refaults.look()
	}
	err := s.keep.tick()
	s.shrink(s.keep.limit)
	return errors.Join(err, s.closing.wait())
}

// abandon gives back what was asked for and not received, after an error.
func (s *expertStore) abandon() error {
	s.busy = s.busy[:0]
	for s.opening > 0 {
		h := s.receive(true)
		if h.err != nil {
			s.drop(h) // the first error is the one that counts
			continue
		}
		s.admit(h)
		s.ready = append(s.ready, h)
	}
	for _, h := range s.ready {
		s.release(h)
	}
	s.ready = s.ready[:0]
	return s.closing.wait()
}

// close unmaps everything.
func (s *expertStore) close() error {
	s.shrink(0)
	return errors.Join(s.closing.wait(), s.hints.Close())
}

// release ends the use of h.
func (s *expertStore) release(h *heldExpert) {
	h.place = s.recent.PushBack(h)
	s.keptBytes += h.expert.Bytes()
	s.shrink(s.keep.limit)
}

// shrink unmaps experts that are not in use, those unused for longest first,
// until they have at most limit bytes.
func (s *expertStore) shrink(limit int64) {
	for s.keptBytes > limit {
		h := s.recent.Remove(s.recent.Front()).(*heldExpert)
		delete(s.kept, h.key)
		s.keptBytes -= h.expert.Bytes()
		s.closing.add(h)
	}
}

// closer unmaps experts in the background: it takes as long as opening them, and
// the next layer need not wait for it.
type closer struct {
	running sync.WaitGroup
	mu      sync.Mutex
	failed  error // of those closed since the last wait
}

func (c *closer) add(h *heldExpert) {
	c.running.Go(func() {
		if err := h.expert.Close(); err != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.failed = errors.Join(c.failed, fmt.Errorf("close expert %d of layer %d: %w", h.key.expert, h.key.layer, err))
		}
	})
}

// wait returns when all are closed, and tells what went wrong.
func (c *closer) wait() error {
	c.running.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.failed
	c.failed = nil
	return err
}
