package infer

import (
	"container/list"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"expertfs/infer/weights"
)

// expertStore opens experts in the background and keeps a bounded number of
// them mapped between uses. It is used under the engine's lock.
type expertStore struct {
	folder *weights.Folder
	hints  *weights.Hints // nil on a plain folder
	limit  int64          // bytes kept mapped beside the experts in use

	kept      map[expertKey]*heldExpert
	recent    *list.List // of *heldExpert, the least recently used first
	keptBytes int64

	ready   []*heldExpert    // asked for and mapped
	arrived chan *heldExpert // from the goroutines that open
	opening int              // asked for and not received from arrived
	busy    []*heldExpert    // to be asked for again, see again

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

func newExpertStore(folder *weights.Folder, hints *weights.Hints, limit int64) *expertStore {
	return &expertStore{
		folder: folder, hints: hints, limit: limit,
		kept: make(map[expertKey]*heldExpert), recent: list.New(),
		arrived: make(chan *heldExpert, maxOpening),
	}
}

// announce tells the mount which experts a layer will use, and which of them
// it will not see opened because they are still mapped. The lines are sent at
// once where an open follows: the step has to come before it.
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
		s.hints.Flush()
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
		s.ready = append(s.ready, h)
		return
	}
	s.open(&heldExpert{key: k})
}

// open starts opening h.
func (s *expertStore) open(h *heldExpert) {
	s.opening++
	go func() {
		h.expert, h.err = openExpert(s.folder, h.key)
		s.arrived <- h
	}()
}

// openExpert opens and maps an expert. Its header and scales are read through
// the mapping, so a fault on the way is an error like any other.
func openExpert(folder *weights.Folder, k expertKey) (x *weights.Expert, err error) {
	err = guard(func() error {
		x, err = folder.Expert(k.layer, k.expert)
		return err
	})
	return x, err
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
			s.stats.Opened++
			s.stats.OpenedBytes += h.expert.Bytes()
			s.kept[h.key] = h
			return h, nil
		}
		if err := s.again(h); err != nil {
			return nil, err
		}
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
	if err := s.shrink(0); err != nil {
		return err
	}
	s.busy = append(s.busy, h)
	return nil
}

// retry opens one expert that found the mount busy. Callers of next release
// what they have before they wait, so nothing is in use now.
func (s *expertStore) retry() {
	if n := len(s.busy); n > 0 {
		h := s.busy[n-1]
		s.busy = s.busy[:n-1]
		h.err, h.alone = nil, true
		s.open(h)
	}
}

// abandon gives back what was asked for and not received, after an error.
func (s *expertStore) abandon() error {
	var all []error
	s.busy = s.busy[:0]
	for s.opening > 0 {
		if h := s.receive(true); h.err == nil {
			s.kept[h.key] = h
			s.ready = append(s.ready, h)
		}
	}
	for _, h := range s.ready {
		all = append(all, s.release(h))
	}
	s.ready = s.ready[:0]
	return errors.Join(all...)
}

// close unmaps everything.
func (s *expertStore) close() error {
	return errors.Join(s.shrink(0), s.hints.Close())
}

// release ends the use of h.
func (s *expertStore) release(h *heldExpert) error {
	h.place = s.recent.PushBack(h)
	s.keptBytes += h.expert.Bytes()
	return s.shrink(s.limit)
}

// shrink unmaps experts that are not in use, those unused for longest first,
// until they have at most limit bytes.
func (s *expertStore) shrink(limit int64) error {
	for s.keptBytes > limit {
		h := s.recent.Remove(s.recent.Front()).(*heldExpert)
		delete(s.kept, h.key)
		s.keptBytes -= h.expert.Bytes()
		if err := h.expert.Close(); err != nil {
			return fmt.Errorf("close expert %d of layer %d: %w", h.key.expert, h.key.layer, err)
		}
	}
	return nil
}
