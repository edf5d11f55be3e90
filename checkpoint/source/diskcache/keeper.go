package diskcache

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// What was written is synced when nothing was for syncQuiet, and syncLatest after it
// was: a sync takes from the drive, and from whoever fetches, what they would do
// meanwhile. syncLatest is about what is fetched again after a crash.
const (
	syncQuiet  = 100 * time.Millisecond
	syncLatest = 2 * time.Second
)

// trimAfter is how long nothing was written before the memory of buffers is given back. To
// have it cleared once more costs as much as a third of what comes over the network.
const trimAfter = 15 * time.Second

// keeper is the goroutine that makes durable what was written, evicts, and
// completes files.
type keeper struct {
	c       *Cache
	journal *journal // its alone once it runs

	wake    chan struct{}
	stop    chan struct{}
	running sync.WaitGroup
}

func (k *keeper) init(c *Cache) {
	k.c, k.wake, k.stop = c, make(chan struct{}, 1), make(chan struct{})
}

func (k *keeper) start() { k.running.Go(k.run) }

// kick has the keeper look for work.
func (k *keeper) kick() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *keeper) run() {
	var idle <-chan time.Time // since the last work; nil before the first
	for {
		select {
		case <-k.stop:
			k.work()
			return
		case <-idle:
			k.c.behind.trim()
			idle = nil
			continue
		case <-k.wake:
		}
		k.await()
		k.work()
		idle = time.After(k.c.trimAfter)
	}
}

// await waits for the time to sync what was written now.
func (k *keeper) await() {
	for began := time.Now(); time.Since(began) < k.c.latest && !k.c.crowded(); {
		select {
		case <-k.stop:
			return
		case <-time.After(syncQuiet):
			return
		case <-k.wake: // more was written
		}
	}
}

// work does what there is to do.
func (k *keeper) work() {
	k.sync()
	k.evict()
	k.complete()
}

func (k *keeper) close() error {
	close(k.stop)
	k.running.Wait()
	if k.journal == nil {
		return nil
	}
	return k.journal.close()
}

// all returns the files there are.
func (k *keeper) all() []*file {
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	return slices.SortedFunc(maps.Values(k.c.files), func(a, b *file) int { return strings.Compare(a.info.Name, b.info.Name) })
}

// sync makes what was written durable, then says so in the journal. What cannot be
// made durable may not be there any more: it is forgotten.
func (k *keeper) sync() {
	for _, f := range k.all() {
		f.mu.Lock()
		fresh, d := f.fresh, f.data
		f.fresh = nil
		f.mu.Unlock()
		if len(fresh) == 0 {
			continue
		}
		err := unix.Fdatasync(int(d.Fd()))
		if err == nil {
			records := make([]record, len(fresh))
			for i, e := range fresh {
				records[i] = record{name: f.info.Name, extent: e}
			}
			err = k.journal.write(records...)
		}
		for _, e := range fresh {
			// The RAM tier has its own copy.
			_ = unix.Fadvise(int(d.Fd()), e.lo, e.len(), unix.FADV_DONTNEED) // only advice
		}
		if err != nil {
			k.c.fail(f.info.Name, err)
			f.mu.Lock()
			for _, e := range fresh {
				k.c.used.Add(-f.have.remove(e))
			}
			f.mu.Unlock()
		}
	}
}

// complete gives files of which all is there their own names, and notes when the
// checkpoint is complete.
func (k *keeper) complete() {
	c := k.c
	for _, f := range k.all() {
		f.mu.Lock()
		ready := !f.whole && len(f.fresh) == 0 && f.have.covers(extent{0, f.info.Size}) && (f.info.Size > 0 || f.opened > 0)
		f.mu.Unlock()
		if ready {
			if err := k.finish(f); errors.Is(err, errStopped) {
				return
			} else if err != nil {
				c.fail(f.info.Name, err)
				return
			}
		}
	}
	if c.complete.Load() || !c.hasWanted() {
		return
	}
	c.complete.Store(true)
	c.log.Info("all of the checkpoint is in the cache", "folder", c.dir)
	c.share()
}

// share lets other mounts use a cache that does not change any more.
func (c *Cache) share() {
	if c.limit == 0 {
		// A lock that is changed is given up first, and somebody else may be quicker.
		if unix.Flock(int(c.lock.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil {
			c.stop("another mount has taken the cache over")
		}
	}
}

// hasWanted tells whether all files of the checkpoint are whole.
func (c *Cache) hasWanted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range c.wanted {
		if f := c.files[name]; f == nil || !f.isWhole() {
			return false
		}
	}
	return c.wanted != nil
}

func (f *file) isWhole() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.whole
}

// errMismatch and errStopped end a verification: the hash of a file is another than
// it should be; the mount ends, and the next one verifies.
var (
	errMismatch = errors.New("its SHA-256 is not the published one")
	errStopped  = errors.New("the mount ends")
)

// finish verifies a file and gives it its own name.
func (k *keeper) finish(f *file) error {
	f.mu.Lock()
	d, err := f.open()
	f.mu.Unlock()
	if err != nil {
		return err
	}
	if f.info.SHA256 != "" {
		err := k.verify(f, d)
		if errors.Is(err, errMismatch) {
			k.c.log.Error("what was fetched is not what was published: it is fetched again", "file", f.info.Name, "err", err)
			return k.forget(f, []extent{{0, f.info.Size}})
		} else if err != nil {
			return err
		}
	}
	if err := os.Chtimes(f.path()+partSuffix, time.Time{}, f.info.ModTime); err != nil {
		return err
	}
	if err := d.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.path()+partSuffix, f.path()); err != nil {
		return err
	}
	f.mu.Lock()
	f.whole = true
	f.mu.Unlock()
	return syncDir(filepath.Dir(f.path()))
}

// verify compares a file with its published hash. What others fetch meanwhile is
// synced in between.
func (k *keeper) verify(f *file, d *os.File) error {
	const piece = 256 << 20
	h := sha256.New()
	for at := int64(0); at < f.info.Size; at += piece {
		select {
		case <-k.stop:
			return errStopped
		default:
		}
		if _, err := io.Copy(h, io.NewSectionReader(d, at, min(piece, f.info.Size-at))); err != nil {
			return err
		}
		k.sync()
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != strings.ToLower(f.info.SHA256) {
		return fmt.Errorf("%w: %s instead of %s", errMismatch, got, f.info.SHA256)
	}
	return nil
}
