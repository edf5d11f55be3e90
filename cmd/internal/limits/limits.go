// Package limits measures what a machine can do at most, for a moment: its results
// are the limits that measured figures are compared with.
package limits

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// sector is what O_DIRECT wants offsets, lengths and addresses to be multiples of.
const sector = 4096

// Drive measures for about d how many bytes a second come from a file past the
// page cache, read at random places, a MiB at a time, four in flight.
func Drive(path string, size int64, d time.Duration) (float64, error) {
	const part, flight = 1 << 20, 4
	if size < 2*part {
		return 0, fmt.Errorf("%s: too small a file to measure a drive by", path)
	}
	return Together(flight, d, func(int) (func() (int, error), func(), error) {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: open with O_DIRECT: %w", path, err)
		}
		b, err := NewBuffer(part)
		if err != nil {
			return nil, nil, errors.Join(err, unix.Close(fd))
		}
		return func() (int, error) {
			return unix.Pread(fd, b[:part], rand.Int64N((size-part)/sector)*sector)
		}, func() { _ = errors.Join(unix.Munmap(b), unix.Close(fd)) }, nil
	})
}

// Together has n workers take steps for about d, and returns what they did in sum in
// a second. Workers are made first, all at once, ended last, and neither is measured.
func Together(n int, d time.Duration, worker func(int) (step func() (int, error), end func(), err error)) (float64, error) {
	var making, group errgroup.Group
	var bytes atomic.Int64
	steps, ends := make([]func() (int, error), n), make([]func(), n)
	defer func() {
		for _, end := range ends {
			if end != nil {
				end()
			}
		}
	}()
	for i := range n {
		making.Go(func() (err error) {
			steps[i], ends[i], err = worker(i)
			return err
		})
	}
	if err := making.Wait(); err != nil {
		return 0, err
	}
	began := time.Now()
	for _, step := range steps {
		group.Go(func() error {
			for time.Since(began) < d {
				n, err := step()
				if err != nil {
					return err
				}
				bytes.Add(int64(n))
			}
			return nil
		})
	}
	err := group.Wait()
	return float64(bytes.Load()) / time.Since(began).Seconds(), err
}

// NewBuffer returns memory in huge pages where there are any: reads into those
// cost the processor half as much, and this is to be the limit. Munmap frees it.
func NewBuffer(size int) ([]byte, error) {
	const huge = 2 << 20
	buf, err := unix.Mmap(-1, 0, (size+huge-1)/huge*huge, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, err
	}
	_ = unix.Madvise(buf, unix.MADV_HUGEPAGE) // an old kernel does without
	_ = unix.Madvise(buf, unix.MADV_POPULATE_WRITE)
	return buf, nil
}
