package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// MemorySpeed measures for about d how many bytes a second all threads read from
// memory together.
func MemorySpeed(d time.Duration) (float64, error) {
	const each = 128 << 20 // more than caches hold
	return together(runtime.GOMAXPROCS(0), d, func(int) (func() (int, error), func(), error) {
		b, err := newBuffer(each)
		if err != nil {
			return nil, nil, err
		}
		for i := 0; i < each; i += 4096 {
			b[i] = 1 // a page that nobody wrote is the one page of zeros
		}
		const part = 8 << 20
		at := 0
		return func() (int, error) {
			Sum(b[at : at+part])
			at = (at + part) % each
			return part, nil
		}, func() { _ = unix.Munmap(b) }, nil
	})
}

// DriveSpeed measures for about d how many bytes a second come from a file past the
// page cache, read at random places, a MiB at a time, four in flight.
func DriveSpeed(path string, size int64, d time.Duration) (float64, error) {
	const part, flight = 1 << 20, 4
	if size < 2*part {
		return 0, fmt.Errorf("%s: too small a file to measure a drive by", path)
	}
	return together(flight, d, func(int) (func() (int, error), func(), error) {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: open with O_DIRECT: %w", path, err)
		}
		b, err := newBuffer(part)
		if err != nil {
			return nil, nil, errors.Join(err, unix.Close(fd))
		}
		return func() (int, error) {
			return unix.Pread(fd, b[:part], rand.Int64N((size-part)/sector)*sector)
		}, func() { _ = errors.Join(unix.Munmap(b), unix.Close(fd)) }, nil
	})
}

// together has n workers take steps for about d, and returns what they did in sum in
// a second. A worker is made first, ended last, and neither is measured.
func together(n int, d time.Duration, worker func(int) (step func() (int, error), end func(), err error)) (float64, error) {
	var group errgroup.Group
	var bytes atomic.Int64
	var steps []func() (int, error)
	for i := range n {
		step, end, err := worker(i)
		if err != nil {
			return 0, err
		}
		defer end()
		steps = append(steps, step)
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
