package tiers

import (
	"context"
	"testing"
	"time"

	"expertfs"
	"expertfs/policy"

	"github.com/stretchr/testify/require"
)

// openBy opens an expert that must open, for a reader.
func openBy(t testing.TB, r *Reader, k expertfs.Key) *Handle {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	h, err := r.Open(ctx, k)
	require.NoError(t, err)
	return h
}

// addReader adds a reader for the length of a test.
func addReader(t testing.TB, c *Cache, pid int) *Reader {
	r := c.NewReader(ReaderInfo{PID: pid, Name: "reader"})
	t.Cleanup(r.Close)
	return r
}

func TestTheStepsOfEachReaderAreItsOwn(t *testing.T) {
	for _, announce := range []bool{true, false} {
		var steps []expertfs.TraceStep
		ck := tiny(t)
		c, err := New(ck, Options{
			Budget: 40 * pages(ck.ExpertSize()), checked: true,
			Trace: func(s expertfs.TraceStep) { steps = append(steps, s) },
		})
		require.NoError(t, err)
		a, b := c.NewReader(ReaderInfo{PID: 1}), c.NewReader(ReaderInfo{PID: 2})
		routes := map[*Reader][][]expertfs.Key{a: routing(6), b: routing(11)[20:]}
		for i := range 24 {
			for _, r := range []*Reader{a, b} {
				used := routes[r][i]
				if announce {
					r.Step(int(used[0].Layer), used)
				}
			}
			for j := range 4 { // the opens of both, mixed
				for _, r := range []*Reader{a, b} {
					openBy(t, r, routes[r][i][j]).Release()
				}
			}
		}
		readers := c.Readers()
		a.Close()
		b.Close()
		require.NoError(t, c.Close())
		require.Len(t, readers, 2, "the shared reader has done nothing")
		require.Len(t, steps, 50)
		require.Equal(t, []expertfs.TraceStep{{Stream: 0, End: true}, {Stream: 1, End: true}}, endsOf(steps))
		for n, r := range []*Reader{a, b} {
			var own [][]expertfs.Key
			for _, s := range steps {
				if s.Stream == readers[n].Stream && !s.End {
					require.Equal(t, !announce, s.Opened)
					own = append(own, s.Used)
				}
			}
			require.Equal(t, routes[r][:24], own)
			require.EqualValues(t, 96, readers[n].Opens)
			require.EqualValues(t, 96, readers[n].Total())
		}
	}
}

// endsOf are the ends of streams in a recording.
func endsOf(steps []expertfs.TraceStep) (ends []expertfs.TraceStep) {
	for _, s := range steps {
		if s.End {
			ends = append(ends, s)
		}
	}
	return ends
}

func TestAStreamIsGivenToTheNextReader(t *testing.T) {
	c := newCache(t, tiny(t), 8, Options{})
	a := c.NewReader(ReaderInfo{PID: 1})
	b := addReader(t, c, 2)
	openBy(t, a, key(1, 1)).Release()
	openBy(t, b, key(2, 2)).Release()
	a.Close()
	a.Close() // it has no effect
	openBy(t, a, key(1, 2)).Release()
	shared := c.Readers()[1]
	require.Zero(t, shared.PID, "now it is one who cannot be told apart")
	require.EqualValues(t, 1, shared.Opens)
	next := addReader(t, c, 3)
	openBy(t, next, key(3, 3)).Release()
	readers := c.Readers()
	require.Len(t, readers, 3)
	require.Equal(t, []int{3, 2, 0}, []int{readers[0].PID, readers[1].PID, readers[2].PID})
	require.Equal(t, []int{0, 1}, []int{readers[0].Stream, readers[1].Stream})
}

func TestManyReadersShareTheLastStream(t *testing.T) {
	c := newCache(t, tiny(t), 8, Options{})
	for pid := range 3 * policy.MaxStreams {
		r := addReader(t, c, pid+1)
		openBy(t, r, key(pid%4, pid%32)).Release()
		require.Less(t, r.stream.number, policy.MaxStreams)
	}
}

func TestAStepGivesUpTheReadersOwnPrefetchesAlone(t *testing.T) {
	f, ck := &faults{}, tiny(t)
	c := newCache(t, ck, 16, Options{NVMe: f.options()})
	release := f.gate()
	defer release()
	a, b := addReader(t, c, 1), addReader(t, c, 2)
	a.Step(0, []expertfs.Key{key(0, 0)})
	b.Step(0, []expertfs.Key{key(0, 0)})
	a.Prefetch(key(1, 0), key(1, 1))
	b.Prefetch(key(1, 1)) // wanted by both
	given := func(k expertfs.Key) bool {
		c.guard.Lock()
		defer c.guard.Unlock()
		l := c.table.expert(k).load
		return l == nil || l.given // one of which nothing was begun is over at once
	}
	b.Step(1, []expertfs.Key{key(1, 9)})
	require.False(t, given(key(1, 0)), "the step of another says nothing of it")
	require.False(t, given(key(1, 1)), "the other still wants it")
	a.Step(1, []expertfs.Key{key(1, 9)})
	require.True(t, given(key(1, 0)))
	require.True(t, given(key(1, 1)))
}

func TestPrefetchedExpertsAreSparedForReadersThatGoOn(t *testing.T) {
	c := newCache(t, tiny(t), 64, Options{})
	a, b := c.NewReader(ReaderInfo{PID: 1}), addReader(t, c, 2)
	spared := func() bool {
		c.guard.Lock()
		defer c.guard.Unlock()
		return c.table.expert(key(2, 0)).wantedSoon()
	}
	a.Step(0, []expertfs.Key{key(0, 0)})
	a.Prefetch(key(2, 0))
	eventually(t, func() bool { return c.Stats().Resident == 2 })
	require.True(t, spared())
	for token := range 8 {
		for layer := range 4 {
			b.Step(layer, []expertfs.Key{key(layer, token)})
		}
	}
	require.False(t, spared(), "it stands still while another goes on")
	a.Step(1, []expertfs.Key{key(1, 0)})
	require.True(t, spared())
	a.Close()
	require.False(t, spared())
}

func TestWhatIsReadForAReaderThatGoesIsGivenUp(t *testing.T) {
	f, ck := &faults{}, tiny(t)
	o := Options{NVMe: f.options()}
	o.NVMe.Workers = 1
	c := newCache(t, ck, 16, o)
	release := f.gate()
	a := c.NewReader(ReaderInfo{PID: 1})
	a.Prefetch(key(1, 0), key(1, 1), key(1, 2))
	eventually(t, func() bool { return f.count.Load() == 1 })
	a.Close()
	release()
	eventually(t, func() bool { return c.Stats().LoadingBytes == 0 })
	require.GreaterOrEqual(t, c.Stats().Prefetch.Late, int64(2))
}

func TestReadersShareTheBoundOnPrefetches(t *testing.T) {
	f, ck := &faults{}, tiny(t)
	c := newCache(t, ck, 32, Options{NVMe: f.options(), PrefetchBytes: 6 * pages(ck.ExpertSize())})
	release := f.gate()
	defer release()
	a, b := addReader(t, c, 1), addReader(t, c, 2)
	a.Step(0, nil)
	b.Step(0, nil)
	a.Prefetch(key(1, 0), key(1, 1), key(1, 2), key(1, 3), key(1, 4))
	require.EqualValues(t, 2, c.Stats().Prefetch.Dropped, "half of six are its part")
	b.Prefetch(key(2, 0), key(2, 1), key(2, 2))
	require.EqualValues(t, 2, c.Stats().Prefetch.Dropped)
}

func TestSharesDivideWhatNeedNotBeFree(t *testing.T) {
	ck := tiny(t) // 4 layers of 32 experts, top 4
	c := newCache(t, ck, 112, Options{})
	slot := c.slots.bytes
	a, b := addReader(t, c, 1), addReader(t, c, 2)
	require.Equal(t, 80*slot, a.Share(), "two tokens of 16 stay free")
	require.Equal(t, 40*slot, b.Share())
	require.Equal(t, 40*slot, a.Share(), "it moves when another comes")
	for token := range 8 {
		for layer := range 4 {
			b.Step(layer, []expertfs.Key{key(layer, token)})
		}
	}
	require.Zero(t, a.Share(), "it stands still while another steps")
	require.Equal(t, 80*slot, b.Share())
	a.Step(0, []expertfs.Key{key(0, 0)})
	require.Equal(t, 40*slot, a.Share())

	require.NoError(t, c.SetBudget(128*slot))
	require.Equal(t, 128*slot, a.Share(), "all have room")
	require.NoError(t, c.SetBudget(90*slot))
	require.Zero(t, a.Share(), "the choice of victims is worth more")
}

func TestSharesAreSqueezedWhileAnOpenWaits(t *testing.T) {
	var q squeeze
	now := time.Now()
	require.Equal(t, 1., q.left(now))
	for i, want := range []float64{1. / 2, 1. / 4, 1. / 8, 1. / 16, 1. / 32, 0} {
		now = now.Add(squeezeEvery)
		q.tighten(now)
		q.tighten(now) // not more often
		require.Equal(t, want, q.left(now), "%d", i)
	}
	for i, want := range []float64{1. / 16, 1. / 8, 1. / 4, 1. / 2, 1, 1} {
		now = now.Add(relaxEvery)
		require.Equal(t, want, q.left(now), "%d", i)
	}
}

func TestAReaderIsNotRefusedBecauseOfAnother(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{MaxWait: 50 * time.Millisecond, CrowdWait: time.Millisecond})
	a, b := addReader(t, c, 1), addReader(t, c, 2)
	for expert := range 4 {
		defer openBy(t, a, key(0, expert)).Release()
	}
	_, err := a.Open(context.Background(), key(1, 0))
	require.ErrorIs(t, err, ErrBusy)
	require.NotErrorIs(t, err, ErrCrowded, "it holds all itself")
	_, err = b.Open(context.Background(), key(1, 0))
	require.ErrorIs(t, err, ErrCrowded)
	_, err = b.Open(context.Background(), key(1, 0)) // as by the socket, and then by the file
	require.ErrorIs(t, err, ErrCrowded)
	b.Served(key(1, 0))
	require.EqualValues(t, 1, c.Readers()[1].Opens)
	r, err := c.ReadExpert(key(1, 0))
	require.NoError(t, err)
	got := make([]byte, ck.ExpertSize())
	_, err = r.ReadAt(got, 0)
	require.NoError(t, err)
	require.Equal(t, bytesOf(t, ck, ck.Expert(key(1, 0))), got)
	s := c.Stats()
	require.EqualValues(t, 1, s.Busy)
	require.EqualValues(t, 1, s.Crowded)
}

func TestEachOpenHasItsOwnPatience(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{MaxWait: time.Hour, CrowdWait: time.Millisecond})
	a, b := addReader(t, c, 1), addReader(t, c, 2)
	var handles []*Handle
	for expert := range 4 {
		handles = append(handles, openBy(t, a, key(0, expert)))
	}
	waited := make(chan error)
	go func() {
		h, err := a.Open(context.Background(), key(1, 0))
		if err == nil {
			h.Release()
		}
		waited <- err
	}()
	eventually(t, func() bool { return c.Stats().Waiting == 1 })
	_, err := b.Open(context.Background(), key(1, 0)) // joins the load of a
	require.ErrorIs(t, err, ErrCrowded)
	require.Equal(t, 1, c.Stats().Waiting, "the other goes on to wait")
	handles[0].Release()
	require.NoError(t, <-waited)
	for _, h := range handles[1:] {
		h.Release()
	}
}

func TestAnOpenThatComesAgainIsCountedOnce(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{MaxWait: time.Millisecond})
	a := addReader(t, c, 1)
	var handles []*Handle
	for expert := range 4 {
		handles = append(handles, openBy(t, a, key(0, expert)))
	}
	for range 3 {
		_, err := a.Open(context.Background(), key(1, 0))
		require.ErrorIs(t, err, ErrBusy)
	}
	for _, h := range handles {
		h.Release()
	}
	openBy(t, a, key(1, 0)).Release()
	require.EqualValues(t, 5, c.Stats().Misses)
	openBy(t, a, key(1, 0)).Release()
	require.EqualValues(t, 1, c.Stats().Hits)
}

func TestDenseFilesKeepToTheirBound(t *testing.T) {
	ck := tiny(t)
	bound := pages(ck.Dense(0).Size()) + pages(ck.Dense(1).Size())
	c := newCache(t, ck, 4, Options{DenseBytes: bound})
	openDense := func(layer int) (*Handle, error) { return c.OpenDense(context.Background(), DenseLayer(layer)) }
	for layer := range 4 { // as a scan of the tree does
		h, err := openDense(layer)
		require.NoError(t, err)
		require.Equal(t, bytesOf(t, ck, ck.Dense(layer)), h.Bytes())
		h.Release()
		require.LessOrEqual(t, c.Stats().DenseBytes, bound)
	}
	require.Equal(t, 2, c.Stats().DenseFiles)
	require.True(t, c.DenseInRAM(DenseLayer(3)))
	require.True(t, c.DenseInRAM(DenseLayer(2)))

	first, err := openDense(0)
	require.NoError(t, err)
	second, err := openDense(1)
	require.NoError(t, err)
	_, err = openDense(2)
	require.ErrorIs(t, err, ErrCrowded)
	first.Release()
	for range 3 { // one is idle, and does not suffice
		_, err = c.OpenDense(context.Background(), Unembedding)
		require.ErrorIs(t, err, ErrCrowded)
		require.Equal(t, 2, c.Stats().DenseFiles, "nothing leaves in vain")
		used, err := c.loader.fill.dense.Used()
		require.NoError(t, err)
		require.Equal(t, c.Stats().DenseBytes, used)
	}
	third, err := openDense(2)
	require.NoError(t, err)
	second.Release()
	third.Release()
}

func TestDenseFilesThatNobodyUsesLeave(t *testing.T) {
	ck := tiny(t)
	c := newCache(t, ck, 4, Options{})
	h, err := c.OpenDense(context.Background(), DenseLayer(0))
	require.NoError(t, err)
	later := time.Now().Add(2 * denseLinger)
	look := func(now time.Time) (n int, again time.Duration) {
		c.guard.Lock()
		idle, again := c.denseIdle(now)
		c.guard.Unlock()
		for _, s := range idle {
			c.loader.fill.closeSlot(s)
		}
		return len(idle), again
	}
	n, again := look(later)
	require.Zero(t, n, "it is open")
	require.Zero(t, again)
	h.Release()
	n, again = look(time.Now())
	require.Zero(t, n)
	require.InDelta(t, denseLinger, again, float64(10*time.Second))
	m := startMapper(t, c.table.dense[0].slot)
	n, _ = look(later)
	require.Zero(t, n, "it is mapped")
	m.stop()
	n, _ = look(later)
	require.Zero(t, n, "it was mapped until now")
	n, again = look(later.Add(2 * denseLinger))
	require.Equal(t, 1, n)
	require.Zero(t, again)
	require.Zero(t, c.Stats().DenseBytes)
}
