package experts

import (
	"errors"
	"time"

	"expertfs/infer/mapped"

	"golang.org/x/sys/unix"
)

// open starts opening x.
func (s *Store[T]) open(x *Expert[T]) {
	announced := s.announced
	s.background(x, func() error {
		if announced != nil {
			<-announced
		}
		return s.openNow(x)
	})
}

// openNow opens, maps and decodes x.
func (s *Store[T]) openNow(x *Expert[T]) error {
	file, err := s.mapFile(x)
	if err != nil {
		return err
	}
	decoded := false
	defer func() { // also when reading the mapping faults
		if !decoded {
			file.Close()
		}
	}()
	if x.Value, err = s.decode(x.Key, file); err != nil {
		return err
	}
	x.file, decoded = file, true
	return nil
}

func (s *Store[T]) mapFile(x *Expert[T]) (*mapped.File, error) {
	openFile := s.options.Open
	if openFile == nil {
		openFile = s.opener.Open
	}
	open, err := openFile(x.Key)
	if err != nil {
		return nil, err
	}
	file, err := s.options.Arena.MapOpen(open, open.Name())
	if err != nil {
		return nil, err
	}
	if err := open.Detach(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// background does something to x on a goroutine, from which Next receives it.
func (s *Store[T]) background(x *Expert[T], f func() error) {
	s.opening++
	go func() {
		x.err = mapped.Guard(f)
		s.arrived <- x
	}()
}

// receive takes one expert from the goroutines that open.
func (s *Store[T]) receive(wait bool) *Expert[T] {
	if s.opening == 0 {
		return nil
	}
	select {
	case x := <-s.arrived:
		s.opening--
		return x
	default:
	}
	if !wait {
		return nil
	}
	began := time.Now()
	x := <-s.arrived
	s.opening--
	s.stats.Waited += time.Since(began)
	return x
}

// admit enters an expert that was opened, and does nothing to one that was
// mapped before.
func (s *Store[T]) admit(x *Expert[T]) {
	if s.mapped[x.Key] == x {
		return
	}
	s.stats.Opened++
	s.stats.OpenedBytes += int64(len(x.file.Data))
	s.mapped[x.Key] = x
}

// drop forgets an expert that was mapped and cannot be brought back.
func (s *Store[T]) drop(x *Expert[T]) {
	if s.mapped[x.Key] == x {
		s.unmap(x)
	}
}

// again handles an expert that could not be opened for want of something that
// others, or we ourselves, may give back. What is kept is let go, the expert is
// asked for once more when nothing of ours is in use, and that answer counts: unless
// the room that is missing is another reader's who holds more than its share.
func (s *Store[T]) again(x *Expert[T]) error {
	full := errors.Is(x.err, unix.EBUSY) // readers hold all the RAM that the mount may use
	switch {
	case s.ctx.Err() != nil:
		return s.ctx.Err()
	case full && x.alone && s.folder.crowded():
	case x.alone:
		return x.err
	case full:
		if !s.quota.shared() {
			s.quota.lower(s.idleBytes)
		}
	case errors.Is(x.err, unix.EMFILE), errors.Is(x.err, unix.ENFILE), errors.Is(x.err, unix.ENOMEM):
		s.quota.lower(s.idleBytes) // a descriptor or a mapping of ours, or memory of the mount
	default:
		return x.err
	}
	s.shrink(0)
	s.busy = append(s.busy, x)
	return nil
}

// retryAfter is how long an expert is not asked for after it was refused alone.
const retryAfter = 20 * time.Millisecond

// retry opens one expert that was refused, with nothing else mapped: callers of Next
// release what they have before they wait, so nothing is in use now.
func (s *Store[T]) retry() {
	n := len(s.busy)
	if n == 0 {
		return
	}
	s.shrink(0)
	s.unmapper.running.Wait()
	x := s.busy[n-1]
	s.busy = s.busy[:n-1]
	if x.alone {
		select {
		case <-time.After(retryAfter):
		case <-s.ctx.Done():
		}
	}
	x.err, x.alone = nil, true
	s.open(x)
}
