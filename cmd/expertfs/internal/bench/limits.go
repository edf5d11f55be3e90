package bench

import (
	"runtime"
	"time"

	"expertfs/cmd/internal/limits"

	"golang.org/x/sys/unix"
)

// MemorySpeed measures for about d how many bytes a second all threads read from
// memory together.
func MemorySpeed(d time.Duration) (float64, error) {
	const (
		part  = 4 << 20
		all   = 512 << 20 // more than caches hold
		least = 8 << 20   // of a thread, however many there are
		most  = 128 << 20 // of a thread: making it takes longer than reading it
	)
	threads := runtime.GOMAXPROCS(0)
	each := min(max(all/threads, least), most) / part * part
	return limits.Together(threads, d, func(int) (func() (int, error), func(), error) {
		b, err := limits.NewBuffer(each)
		if err != nil {
			return nil, nil, err
		}
		for i := 0; i < each; i += 4096 {
			b[i] = 1 // a page that nobody wrote is the one page of zeros
		}
		at := 0
		return func() (int, error) {
			Sum(b[at : at+part])
			at = (at + part) % each
			return part, nil
		}, func() { _ = unix.Munmap(b) }, nil
	})
}
