package tiers

import (
	"context"
	"runtime"
	"testing"
	"time"

	"expertfs"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// eventually waits for a condition that others bring about.
func eventually(t rapid.TB, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !condition(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

func TestOpensOfOneExpertShareOneLoad(t *testing.T) {
	const readers = 8
	f, ck := &faults{}, tiny(t)
	c := newCache(t, ck, 4, Options{NVMe: f.options(), Shadows: []string{"lru"}})
	release := f.gate()
	defer release()
	var readersDone errgroup.Group
	want := bytesOf(t, ck, ck.Expert(key(1, 2)))
	for range readers {
		readersDone.Go(func() error {
			h, err := c.Open(context.Background(), key(1, 2))
			if err != nil {
				return err
			}
			defer h.Release()
			if string(want) != string(h.Bytes()) {
				t.Error("wrong bytes")
			}
			return nil
		})
	}
	eventually(t, func() bool { return c.Stats().Joins == readers-1 })
	release()
	require.NoError(t, readersDone.Wait())
	s := c.Stats()
	require.EqualValues(t, 1, s.Loads)
	require.EqualValues(t, 1, s.Misses)
	require.Zero(t, s.Hits)
	require.Zero(t, s.HeldBytes)

	// The shadow of the cache's own policy has its hit rate, joins included.
	open(t, c, key(1, 2)).Release()
	live := c.Stats().Uses
	shadow := expertfs.ShadowStats{Policy: "lru", Hits: 1, Accesses: readers + 1, HitRate: live.HitRate()}
	eventually(t, func() bool { return c.Stats().Shadows[0] == shadow })
}

func TestAnOpenThatGivesUpLeavesTheLoadToTheOthers(t *testing.T) {
	f, ck := &faults{}, tiny(t)
	c := newCache(t, ck, 4, Options{NVMe: f.options()})
	release := f.gate()
	defer release()
	impatient, cancel := context.WithCancel(context.Background())
	first, second := make(chan error), make(chan error)
	go func() {
		_, err := c.Open(impatient, key(0, 0))
		first <- err
	}()
	eventually(t, func() bool { return c.Stats().Misses == 1 })
	go func() {
		h, err := c.Open(context.Background(), key(0, 0))
		if err == nil {
			h.Release()
		}
		second <- err
	}()
	eventually(t, func() bool { return c.Stats().Joins == 1 })
	cancel()
	require.ErrorIs(t, <-first, context.Canceled)
	release()
	require.NoError(t, <-second)
	require.EqualValues(t, 1, c.Stats().Loads)
	require.Zero(t, c.Stats().HeldBytes)
}

func TestALoadThatNobodyWaitsForAnyMoreIsOfUseToTheNext(t *testing.T) {
	f, ck := &faults{}, tiny(t)
	c := newCache(t, ck, 4, Options{NVMe: f.options()})
	release := f.gate()
	defer release()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := c.Open(ctx, key(0, 0))
	require.ErrorIs(t, err, context.Canceled)
	release()
	open(t, c, key(0, 0)).Release()
	require.EqualValues(t, 1, c.Stats().Loads)
}

func TestEveryWaiterGetsTheError(t *testing.T) {
	f, ck := &faults{}, tiny(t)
	c := newCache(t, ck, 4, Options{NVMe: f.options()})
	gate := make(chan struct{})
	f.set(func([]byte, int64, func() (int, error)) (int, error) {
		<-gate
		return 0, unix.EIO
	})
	errs := make(chan error)
	for range 3 {
		go func() {
			_, err := c.Open(context.Background(), key(0, 0))
			errs <- err
		}()
	}
	eventually(t, func() bool { return c.Stats().Joins == 2 })
	close(gate)
	for range 3 {
		require.ErrorIs(t, <-errs, unix.EIO)
	}
	require.EqualValues(t, 1, c.Stats().Errors["EIO"])
}

func TestAnOpenWaitsForASlotAndThenGivesUp(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{MaxWait: time.Millisecond})
	var handles []*Handle
	for expert := range 4 {
		handles = append(handles, open(t, c, key(0, expert)))
	}
	_, err := c.Open(context.Background(), key(1, 0))
	require.ErrorIs(t, err, ErrBusy)
	require.EqualValues(t, 1, c.Stats().Busy)
	for _, h := range handles {
		h.Release()
	}
	open(t, c, key(1, 0)).Release()
}

func TestAnOpenGetsTheSlotThatIsLetGo(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{MaxWait: time.Hour, CrowdWait: time.Hour})
	var handles []*Handle
	for expert := range 4 {
		handles = append(handles, open(t, c, key(0, expert)))
	}
	got := make(chan *Handle)
	go func() {
		h, err := c.Open(context.Background(), key(1, 0))
		assert.NoError(t, err)
		got <- h
	}()
	eventually(t, func() bool { return c.Stats().Waiting == 1 })
	handles[2].Release()
	h := <-got
	require.NotNil(t, h)
	require.Positive(t, c.Stats().SlotWait)
	require.Equal(t, bytesOf(t, ck, ck.Expert(key(1, 0))), h.Bytes())
	require.Equal(t, "nvme", c.Expert(key(0, 2)).Tier)
	for _, h := range append(handles[:2], handles[3], h) {
		h.Release()
	}
}

func TestOpensThatWaitInLineCanGiveUp(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{MaxWait: time.Hour, CrowdWait: time.Hour})
	for expert := range 4 {
		defer open(t, c, key(0, expert)).Release()
	}
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error)
	go func() {
		_, err := c.Open(ctx, key(1, 0))
		gone <- err
	}()
	eventually(t, func() bool { return c.Stats().Waiting == 1 })
	cancel()
	require.ErrorIs(t, <-gone, context.Canceled)
	require.Zero(t, c.Stats().Waiting)
}

func TestADenseFileOnItsWayCountsAsInRAM(t *testing.T) {
	f, ck := &faults{}, tiny(t)
	c := newCache(t, ck, 4, Options{NVMe: f.options()})
	release := f.gate()
	errs := make(chan error)
	go func() {
		_, err := c.OpenDense(context.Background(), Unembedding)
		errs <- err
	}()
	eventually(t, func() bool { return c.DenseInRAM(Unembedding) })
	require.Zero(t, c.Stats().DenseFiles)
	release()
	require.NoError(t, <-errs)
	require.Equal(t, 1, c.Stats().DenseFiles)
}

func TestCloseEndsOpensThatWait(t *testing.T) {
	f, ck := &faults{}, tiny(t)
	c := newCache(t, ck, 4, Options{MaxWait: time.Hour, CrowdWait: time.Hour, NVMe: f.options()})
	var kept []*Handle // so that the line cannot move
	for expert := range 4 {
		kept = append(kept, open(t, c, key(0, expert)))
	}
	errs := make(chan error)
	go func() {
		_, err := c.Open(context.Background(), key(1, 0))
		errs <- err
	}()
	release := f.gate()
	go func() {
		_, err := c.OpenDense(context.Background(), Unembedding)
		errs <- err
	}()
	eventually(t, func() bool { return c.Stats().Waiting == 1 && f.count.Load() > 24 })
	closed := make(chan error)
	go func() { closed <- c.Close() }()
	require.ErrorIs(t, <-errs, ErrClosed)
	release()
	<-errs // the dense load ended, well or not
	require.NoError(t, <-closed)
	runtime.KeepAlive(kept)
	_, err := c.Open(context.Background(), key(0, 0))
	require.ErrorIs(t, err, ErrClosed)
}

// TestSlotsArePreparedBeforeTheyAreNeeded, without memory: the budget does not know them.
func TestSlotsArePreparedBeforeTheyAreNeeded(t *testing.T) {
	ck := tiny(t)
	before := descriptors(t)
	c, err := New(ck, Options{Budget: 4 * pages(ck.ExpertSize()), checked: true})
	require.NoError(t, err)
	for expert := range 16 {
		h := open(t, c, key(0, expert))
		require.Equal(t, bytesOf(t, ck, ck.Expert(key(0, expert))), h.Bytes())
		h.Release()
		eventually(t, func() bool { return len(c.loader.fill.stock) == 4 })
		require.LessOrEqual(t, c.Stats().KernelBytes, 4*c.slots.bytes)
	}
	require.NoError(t, c.Close())
	require.Equal(t, before, descriptors(t))
}
