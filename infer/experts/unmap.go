package experts

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"expertfs"
	"expertfs/infer/mapped"
)

// charge is what an expert takes of the memory that may be kept: whole pages, as a
// mount counts it.
func (x *Expert[T]) charge() int64 { return wholePages(int64(len(x.file.Data))) }

func wholePages(n int64) int64 {
	page := int64(os.Getpagesize())
	return (n + page - 1) / page * page
}

// shrink unmaps experts that are not in use, those unused for longest first, until
// they have at most limit bytes.
func (s *Store[T]) shrink(limit int64) {
	for s.idleBytes > limit {
		x := s.idle.Remove(s.idle.Front()).(*Expert[T])
		s.idleBytes -= x.charge()
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
