package experts

import (
	"errors"
	"fmt"
	"sync"

	"expertfs"
	"expertfs/infer/mapped"
)

func (x *Expert[T]) bytes() int64 { return int64(len(x.file.Data)) }

// shrink unmaps experts that are not in use, those unused for longest first, until
// they have at most limit bytes.
func (s *Store[T]) shrink(limit int64) {
	for s.idleBytes > limit {
		x := s.idle.Remove(s.idle.Front()).(*Expert[T])
		s.idleBytes -= x.bytes()
		s.unmap(x)
	}
}

func (s *Store[T]) unmap(x *Expert[T]) {
	delete(s.mapped, x.Key)
	s.unmapper.add(x.Key, x.file)
}

// unmapper unmaps experts in the background: it takes as long as opening them, and
// the next layer need not wait for it.
type unmapper struct {
	running sync.WaitGroup
	mu      sync.Mutex
	failed  error // of those unmapped since the last wait
}

func (u *unmapper) add(k expertfs.Key, file *mapped.File) {
	u.running.Go(func() {
		if err := file.Close(); err != nil {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.failed = errors.Join(u.failed, fmt.Errorf("close %v: %w", k, err))
		}
	})
}

// wait returns when all are unmapped, and tells what went wrong.
func (u *unmapper) wait() error {
	u.running.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	err := u.failed
	u.failed = nil
	return err
}
