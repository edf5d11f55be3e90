package tiers

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"expertfs/tiers/nvme"
	"expertfs/tiers/ram"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// faults makes reads fail as a test says. Its zero value lets all pass.
type faults struct {
	mu    sync.Mutex
	read  func(p []byte, off int64, read func() (int, error)) (int, error)
	check error
	count atomic.Int64 // reads so far
}

func (f *faults) options() nvme.Options {
	return nvme.Options{Wrap: func(s nvme.Source) nvme.Source { return faultySource{s, f} }}
}

// set changes what reads do.
func (f *faults) set(read func(p []byte, off int64, read func() (int, error)) (int, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.read = read
}

func (f *faults) setCheck(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.check = err
}

// failing makes all reads end with err.
func failing(err error) func([]byte, int64, func() (int, error)) (int, error) {
	return func([]byte, int64, func() (int, error)) (int, error) { return 0, err }
}

// gate makes all reads wait until it is opened.
func (f *faults) gate() (open func()) {
	gate := make(chan struct{})
	f.set(func(_ []byte, _ int64, read func() (int, error)) (int, error) {
		<-gate
		return read()
	})
	return sync.OnceFunc(func() { close(gate) })
}

type faultySource struct {
	nvme.Source
	f *faults
}

func (s faultySource) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	s.f.count.Add(1)
	s.f.mu.Lock()
	fault := s.f.read
	s.f.mu.Unlock()
	read := func() (int, error) { return s.Source.ReadAt(ctx, p, off) }
	if fault == nil {
		return read()
	}
	return fault(p, off, read)
}

func (s faultySource) Check(ctx context.Context) error {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if s.f.check != nil {
		return s.f.check
	}
	return s.Source.Check(ctx)
}

func TestAFailedLoadNamesWhatFailedAndTheNextOpenTriesAgain(t *testing.T) {
	short := func(_ []byte, _ int64, read func() (int, error)) (int, error) {
		n, err := read()
		return n / 2, err
	}
	for name, fault := range map[string]func([]byte, int64, func() (int, error)) (int, error){
		"EIO": failing(unix.EIO), "short read": short, "end of file": failing(nil),
	} {
		t.Run(name, func(t *testing.T) {
			f, ck := &faults{}, tiny(t)
			var log bytes.Buffer
			c := newCache(t, ck, 4, Options{NVMe: f.options(), Log: slog.New(slog.NewTextHandler(&log, nil))})
			f.set(fault)
			_, err := c.Open(context.Background(), key(3, 7))
			var failure *LoadError
			require.ErrorAs(t, err, &failure)
			require.Equal(t, unix.EIO, failure.Errno())
			var read *nvme.ReadError
			require.ErrorAs(t, err, &read)
			require.ErrorContains(t, err, "layer 3 expert 7: model.safetensors: read of")
			require.Equal(t, map[string]int64{"EIO": 1}, c.Stats().Errors)
			require.Contains(t, log.String(), "offset=")
			require.Equal(t, "nvme", c.Expert(key(3, 7)).Tier)

			f.set(nil)
			h := open(t, c, key(3, 7))
			require.Equal(t, bytesOf(t, ck, ck.Expert(key(3, 7))), h.Bytes())
			h.Release()
			require.EqualValues(t, 2, c.Stats().Misses)
		})
	}
}

func TestAFileThatHasChangedIsNotServed(t *testing.T) {
	f, ck := &faults{}, tiny(t)
	c := newCache(t, ck, 4, Options{NVMe: f.options()})
	f.setCheck(unix.ESTALE)
	_, err := c.Open(context.Background(), key(0, 0))
	require.ErrorIs(t, err, unix.ESTALE)
	embedding, err := c.ReadDense(Embedding)
	require.NoError(t, err)
	_, err = embedding.ReadAt(make([]byte, 10), 4096)
	require.ErrorIs(t, err, unix.ESTALE)
	_, err = c.OpenDense(context.Background(), Unembedding)
	require.ErrorIs(t, err, unix.ESTALE)
	require.EqualValues(t, 3, c.Stats().Errors["ESTALE"])
	f.setCheck(nil)
	open(t, c, key(0, 0)).Release()
}

func TestDenseFilesThatFailGiveTheirMemoryBack(t *testing.T) {
	f, ck := &faults{}, tiny(t)
	c := newCache(t, ck, 4, Options{NVMe: f.options()})
	f.set(failing(unix.EIO))
	for range 3 {
		_, err := c.OpenDense(context.Background(), DenseLayer(0))
		require.ErrorIs(t, err, unix.EIO)
	}
	used, err := c.loader.fill.dense.Used()
	require.NoError(t, err)
	require.Zero(t, used)
	f.set(nil)
	h, err := c.OpenDense(context.Background(), DenseLayer(0))
	require.NoError(t, err)
	require.Equal(t, bytesOf(t, ck, ck.Dense(0)), h.Bytes())
	h.Release()
}

func TestWhenMemoryIsShortLoadsMakeDoWithTheSlotsThereAre(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 8, Options{})
	if m, why := c.loader.fill.experts.Mechanism(); m.String() == "memfd" || strings.Contains(why, "no limit") {
		t.Skip("needs a limit that the kernel enforces: ", why)
	}
	require.NoError(t, c.loader.fill.experts.SetLimit(2*c.slots.bytes)) // ENOSPC at the third slot
	for expert := range 6 {
		open(t, c, key(0, expert)).Release()
	}
	s := c.Stats()
	require.Equal(t, 2, s.Resident)
	require.EqualValues(t, 4, s.Evictions)
	require.NotZero(t, s.Errors["ENOSPC"])

	require.NoError(t, c.loader.fill.experts.SetLimit(8*c.slots.bytes))
	eventually(t, func() bool { // births are tried again in a while
		open(t, c, key(1, int(c.Stats().Loads)%32)).Release()
		return c.Stats().Resident > 2
	})
}

func TestWhenMemoryIsShortForADenseFileNobodyElseGetsItsSlot(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{})
	require.NoError(t, c.loader.fill.dense.Close())
	short, err := ram.Open(ram.Options{Limit: int64(os.Getpagesize())})
	require.NoError(t, err)

	if m, why := short.Mechanism(); m == ram.Memfd || strings.Contains(why, "no limit") {
		t.Skip("needs a limit that the kernel enforces: ", why)
	}
	c.loader.fill.dense = short

	for range 2 {
		_, err := c.OpenDense(context.Background(), DenseLayer(0))
		require.ErrorIs(t, err, unix.ENOSPC)
	}
	for expert := range 6 {
		h := open(t, c, key(0, expert))
		require.Equal(t, bytesOf(t, ck, ck.Expert(key(0, expert))), h.Bytes())
		h.Release()
	}
	require.Equal(t, 4, c.Stats().Resident)
}

func TestAVictimGivesItsDescriptorWhereThereIsNoOther(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{})
	for expert := range 4 {
		open(t, c, key(0, expert)).Release()
	}
	c.loader.running.Wait()
	c.loader.fill.destock() // slots that are prepared have their descriptors
	var before unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &before))
	few := before
	few.Cur = min(512, before.Cur)
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &few))
	var taken []int
	giveBack := func() {
		for _, fd := range taken {
			unix.Close(fd)
		}
		taken = nil
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &before))
	}
	defer giveBack()
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			require.ErrorIs(t, err, unix.EMFILE)
			break
		}
		taken = append(taken, fd)
	}
	require.NotEmpty(t, taken, "more is open than the test allows")
	for expert := 4; expert < 8; expert++ {
		h := open(t, c, key(0, expert))
		require.Equal(t, bytesOf(t, ck, ck.Expert(key(0, expert))), h.Bytes())
		h.Release()
	}
	giveBack()
	require.Equal(t, 4, c.Stats().Resident)
	require.Empty(t, c.Stats().Errors)
}

// TestASlotPreparedForLaterGivesItsDescriptorWhereThereIsNoOther: it may have taken that
// of the victim, before the load came to it.
func TestASlotPreparedForLaterGivesItsDescriptorWhereThereIsNoOther(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{})
	open(t, c, key(0, 0)).Release()
	eventually(t, func() bool { return len(c.loader.fill.stock) == 4 })
	e := c.table.expert(key(0, 1))
	for left := range 5 { // one more than there are
		s, err := c.loader.fill.prepareAgain(e)
		require.NoError(t, err)
		require.Len(t, c.loader.fill.stock, max(0, 3-left))
		s.Close()
	}
}
