package mirror

import (
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Each read ends right whatever one drive does.
func TestBytesAreRightWhateverOneDriveDoes(t *testing.T) {
	data := random(500_000, 2)
	for name, read := range map[string]func(p []byte, off int64, read func() (int, error)) (int, error){
		"EIO":       failing(unix.EIO),
		"stale":     failing(unix.ESTALE),
		"no device": failing(unix.ENODEV),
		"nothing":   failing(nil),
		"half":      func(_ []byte, _ int64, read func() (int, error)) (int, error) { n, err := read(); return n / 2, err },
		"now and then": func() func(p []byte, off int64, read func() (int, error)) (int, error) {
			var n atomic.Int64
			return func(p []byte, _ int64, read func() (int, error)) (int, error) {
				if n.Add(1)%3 == 0 {
					clear(p) // what a failed read has left there
					return 0, unix.EIO
				}
				return read()
			}
		}(),
	} {
		for bad := range 2 {
			t.Run(name, func(t *testing.T) {
				drives := []*testDrive{newDrive(t, data), newDrive(t, data)}
				set, s := openAll(t, drives...)
				c := &clock{}
				set.now = c.now
				drives[bad].set(read)
				for range 4 {
					requireAllSame(t, s, data)
					c.pass(time.Hour) // it is tried again
				}
				stats := set.Stats()
				require.NotZero(t, stats[bad].Errors)
				require.NotEmpty(t, stats[bad].LastError)
				require.Zero(t, stats[1-bad].Errors)
				drives[bad].set(nil)
				c.pass(time.Hour)
				before := drives[bad].reads.Load()
				requireAllSame(t, s, data)
				require.Greater(t, drives[bad].reads.Load(), before, "it serves again")
				require.True(t, set.Stats()[bad].Serves)
			})
		}
	}
}

// logged gathers what is logged.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func TestADriveThatFailsIsLoggedOnce(t *testing.T) {
	data := random(500_000, 3)
	a, b := newDrive(t, data), newDrive(t, data)
	set, s := openAll(t, a, b)
	c, log := &clock{}, &logged{}
	set.now, set.log = c.now, slog.New(slog.NewTextHandler(log, nil))
	b.set(failing(unix.EIO))
	for range 5 {
		requireAllSame(t, s, data)
		require.False(t, set.Stats()[1].Serves)
		c.pass(time.Hour)
	}
	require.Greater(t, b.reads.Load(), int64(3), "it is tried again")
	require.Len(t, log.lines, 1)
	require.Contains(t, log.lines[0], b.dir)
	b.set(nil)
	requireAllSame(t, s, data)
	require.True(t, set.Stats()[1].Serves)
	require.Len(t, log.lines, 2)
	require.Contains(t, log.lines[1], "serves again")
}

func TestAReadFailsWhenAllDrivesDo(t *testing.T) {
	data := random(300_000, 4)
	a, b := newDrive(t, data), newDrive(t, data)
	_, s := openAll(t, a, b)
	a.set(failing(unix.EIO))
	b.set(failing(unix.ESTALE))
	for range 5 {
		_, err := readRange(s, 1000, 100)
		require.ErrorIs(t, err, unix.EIO)
		require.ErrorIs(t, err, unix.ESTALE)
	}
	a.set(nil) // left or not, there is no other
	requireAllSame(t, s, data)
}

// openBelow counts this process's descriptors of files below a folder.
func openBelow(t *testing.T, dir string) (n int) {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, fd := range all {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, dir) {
			n++
		}
	}
	return n
}

// A drive that is gone is let go of, and taken again when it is back.
func TestADriveComesBack(t *testing.T) {
	data := random(500_000, 5)
	for which := range 2 {
		drives := []*testDrive{newDrive(t, data), newDrive(t, data)}
		set, s := openAll(t, drives...)
		c, gone := &clock{}, drives[which]
		set.now = c.now
		require.NotZero(t, openBelow(t, gone.dir))
		require.NoError(t, os.Rename(gone.dir, gone.dir+".gone"))
		requireAllSame(t, s, data)
		require.Zero(t, openBelow(t, gone.dir), "nothing keeps it")
		require.Equal(t, 1, set.Stats()[which].LeftFiles)
		c.pass(time.Hour)
		requireAllSame(t, s, data)
		require.NoError(t, os.Rename(gone.dir+".gone", gone.dir))
		c.pass(time.Hour)
		before := gone.reads.Load()
		requireAllSame(t, s, data)
		require.Greater(t, gone.reads.Load(), before)
		require.Zero(t, set.Stats()[which].LeftFiles)
	}
}

// What has become of a copy while it was in use, and whether it is one afterwards.
func TestACopyThatChangesIsLeft(t *testing.T) {
	data := random(500_000, 6)
	other := random(500_000, 7)
	for name, c := range map[string]struct {
		change func(t *testing.T, path string)
		serves bool
	}{
		"truncated": {func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 5000)) }, false},
		"longer":    {func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 500_001)) }, false},
		"rewritten": {func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, other, 0o600)) }, false},
		"another": {func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path+".new", other, 0o600))
			require.NoError(t, os.Rename(path+".new", path))
		}, false},
		"a hole": {func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			require.NoError(t, err)
			err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 10*page, 64<<10)
			require.NoError(t, f.Close())
			if err != nil {
				t.Skip("no holes here: ", err)
			}
		}, false},
		"copied again": {func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path+".new", data, 0o600))
			require.NoError(t, os.Rename(path+".new", path))
		}, true},
		"touched": {func(t *testing.T, path string) { require.NoError(t, os.Chtimes(path, time.Time{}, time.Unix(1, 0))) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			for which := range 2 {
				drives := []*testDrive{newDrive(t, data), newDrive(t, data)}
				set, s := openAll(t, drives...)
				clock := &clock{}
				set.now = clock.now
				requireAllSame(t, s, data)
				c.change(t, drives[which].path())
				for range 3 {
					requireAllSame(t, s, data)
					clock.pass(time.Hour)
				}
				before := drives[which].reads.Load()
				requireAllSame(t, s, data)
				if c.serves {
					require.Greater(t, drives[which].reads.Load(), before)
				} else {
					require.Equal(t, before, drives[which].reads.Load())
				}
			}
		})
	}
}

// A drive that hangs has a bounded number of reads, and all others end.
func TestADriveThatHangsHoldsFewReads(t *testing.T) {
	data := random(500_000, 8)
	for which := range 2 {
		drives := []*testDrive{newDrive(t, data), newDrive(t, data)}
		_, s := openAll(t, drives...)
		goOn := make(chan struct{})
		drives[which].set(func(_ []byte, _ int64, read func() (int, error)) (int, error) {
			<-goOn
			return read()
		})
		var done atomic.Int64
		var readers sync.WaitGroup
		for range 12 { // as the NVMe tier has
			readers.Go(func() {
				requireSame(t, s, data)
				done.Add(1)
			})
		}
		require.Eventually(t, func() bool { return done.Load() >= 12-mostReads }, 5*time.Minute, time.Millisecond)
		require.LessOrEqual(t, drives[which].reads.Load(), int64(mostReads))
		close(goOn)
		readers.Wait()
		require.EqualValues(t, 12, done.Load())
	}
}

// A drive that wants other addresses than it has promised has not failed.
func TestAnAddressThatADriveRefusesIsNoFailure(t *testing.T) {
	data := random(100_000, 9)
	a, b := newDrive(t, data), newDrive(t, data)
	set, s := openAll(t, a, b)
	refuse := func(p []byte, _ int64, read func() (int, error)) (int, error) {
		if uintptr(unsafe.Pointer(&p[0]))%page != 0 {
			return 0, unix.EINVAL
		}
		return read()
	}
	a.set(refuse)
	b.set(refuse)
	_, err := s.ReadAt(t.Context(), onPage(2 * page)[512:][:page], 0)
	require.ErrorIs(t, err, unix.EINVAL)
	require.Zero(t, set.Stats()[0].Errors+set.Stats()[1].Errors)
	requireAllSame(t, s, data)
}

// Drives fail, vanish, come back and are slow while many read: all bytes are right.
func TestManyReadersOfDrivesThatComeAndGo(t *testing.T) {
	data := random(1_000_000, 10)
	drives := []*testDrive{newDrive(t, data), newDrive(t, data), newDrive(t, data)}
	set, s := openAll(t, drives...)
	c := &clock{}
	set.now = c.now
	stop := make(chan struct{})
	var world, readers sync.WaitGroup
	world.Go(func() {
		rng := rand.New(rand.NewPCG(3, 3))
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			c.pass(time.Duration(rng.Int64N(int64(time.Second))))
			d := drives[1+rng.IntN(2)] // one serves all the time
			switch rng.IntN(5) {
			case 0:
				d.set(failing(unix.EIO))
			case 1:
				d.pull(unix.ENOENT)
			case 2:
				d.set(func(p []byte, _ int64, read func() (int, error)) (int, error) {
					n, err := read()
					clear(p[n/2:])
					return n / 2, err
				})
			case 3:
				d.set(slow(1e9))
			default:
				d.set(nil)
				d.pull(nil)
			}
			set.Stats()
		}
	})
	for range 8 {
		readers.Go(func() {
			for range 5 {
				requireSame(t, s, data)
			}
		})
	}
	readers.Wait()
	close(stop)
	world.Wait()
}
