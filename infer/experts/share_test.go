package experts

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"expertfs"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// setShare is a mount that tells the reader its share, in experts.
func setShare(t *testing.T, dir string, experts int) {
	t.Helper()
	text := fmt.Sprintf("%d\n", experts*slot)
	path := filepath.Join(dir, expertfs.ControlPath(expertfs.ShareFile))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(int64(len(text)))) // never empty
	require.NoError(t, f.Close())
}

func TestShareIsObeyedWithinAToken(t *testing.T) {
	dir := makeTree(t)
	asMount(t, dir, "1GiB")
	setShare(t, dir, 4)
	s := open(t, Options{Dir: dir})
	layer := []int{0, 1, 2, 3, 4, 5}
	require.NoError(t, use(t, s, 0, layer...))
	for _, share := range []int{4, 1, 0, 3, 100} {
		setShare(t, dir, share)
		require.NoError(t, use(t, s, 0, layer...))
		require.EqualValues(t, min(share, 6)*slot, s.Stats().Kept, "share %d", share)
	}
}

// The share is an upper bound of what the user wants to keep.
func TestShareBoundsWhatTheUserSets(t *testing.T) {
	dir := makeTree(t)
	asMount(t, dir, "1GiB")
	setShare(t, dir, 2)
	for keep, want := range map[int]int{slot: slot, 4 * slot: 2 * slot, KeepNone: 0} {
		s := open(t, Options{Dir: dir, Keep: int64(keep)})
		require.NoError(t, use(t, s, 0, 0, 1, 2, 3))
		require.EqualValues(t, want, s.Stats().Kept, "keep %d", keep)
	}
}

// A reader that stands still gives up what others need.
func TestShareIsObeyedWhileNothingIsComputed(t *testing.T) {
	dir := makeTree(t)
	asMount(t, dir, "1GiB")
	setShare(t, dir, 5)
	s := open(t, Options{Dir: dir})
	require.NoError(t, use(t, s, 0, 0, 1, 2, 3, 4))
	require.EqualValues(t, 5*slot, s.Stats().Kept)
	setShare(t, dir, 0)
	require.Eventually(t, func() bool { return s.Stats().Kept == 0 }, 5*time.Minute, 10*time.Millisecond)
}

// What makes no sense is as if nobody said anything.
func TestShareThatIsNoNumber(t *testing.T) {
	dir := makeTree(t)
	asMount(t, dir, "1GiB")
	for _, text := range []string{"", "\n", "much", "-5"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, expertfs.ControlPath(expertfs.ShareFile)), []byte(text), 0o644))
		s := open(t, Options{Dir: dir})
		require.NoError(t, use(t, s, 0, 0, 1, 2))
		require.EqualValues(t, 3*slot, s.Stats().Kept, "%q", text)
	}
}

// refusing is an opener that answers with an error a number of times.
func refusing(t *testing.T, dir string, times int64, errno unix.Errno) (func(expertfs.Key) (*expertfs.ExpertFile, error), *atomic.Int64) {
	files := expertfs.NewOpener(dir, names)
	t.Cleanup(files.Close)
	left := new(atomic.Int64)
	left.Store(times)
	return func(k expertfs.Key) (*expertfs.ExpertFile, error) {
		if left.Add(-1) >= 0 {
			return nil, &os.PathError{Op: "open", Path: names.ExpertPath(k), Err: errno}
		}
		return files.Open(k)
	}, left
}

// An open that finds no room, or no descriptor, is tried again when nothing is kept;
// the use counts once.
func TestRefusedOpensAreTriedAgain(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EBUSY, unix.EMFILE, unix.ENFILE, unix.ENOMEM} {
		dir := makeTree(t)
		asMount(t, dir, "1GiB")
		open1, left := refusing(t, dir, 0, errno)
		s := open(t, Options{Dir: dir, Open: open1})
		require.NoError(t, use(t, s, 1, 0, 1, 2, 3))
		left.Store(2)
		require.NoError(t, use(t, s, 0, 0, 1), "%v", errno)
		require.EqualValues(t, 6, s.Stats().Used)
		require.EqualValues(t, 6, s.Stats().Opened)
		require.EqualValues(t, 2*slot, s.quota.limit, "half of the 4 that were kept, in future")
		left.Store(3)
		require.ErrorIs(t, use(t, s, 1, 5), errno, "asked for twice, the second time alone")
		require.EqualValues(t, 1, left.Load())
	}
}

// Nobody is refused while another reader holds more than its share.
func TestOpenWaitsForAnotherReader(t *testing.T) {
	dir := makeTree(t)
	asMount(t, dir, "1GiB")
	readers := func(r ...expertfs.ReaderStats) {
		text, err := json.Marshal(expertfs.Stats{Readers: r})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, expertfs.ControlPath(expertfs.StatsJSONFile)), text, 0o644))
	}
	other := expertfs.ReaderStats{PID: os.Getpid() + 1, MappedBytes: 2, ShareBytes: 1}
	open1, left := refusing(t, dir, 6, unix.EBUSY)
	s := open(t, Options{Dir: dir, Open: open1})
	readers(other)
	require.NoError(t, use(t, s, 0, 0))
	require.EqualValues(t, 1, s.Stats().Used)

	left.Store(1 << 40)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	require.NoError(t, s.Begin(ctx, 1))
	s.Request(expertfs.NewKey(0, 3))
	go func() {
		for left.Load() > 1<<40-5 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	_, err := s.Next(true)
	require.ErrorIs(t, err, context.Canceled, "the user may give up")
	require.NoError(t, s.Abandon())

	other.MappedBytes = 1
	own := expertfs.ReaderStats{PID: os.Getpid(), MappedBytes: 2, ShareBytes: 1}
	readers(other, own)
	require.ErrorIs(t, use(t, s, 0, 3), unix.EBUSY)
}
