package batch

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"expertfs/infer"

	"github.com/stretchr/testify/require"
)

// onClock is a scheduler on a clock of the test's, on which each token takes a
// millisecond in a layer.
func onClock(e *script, o Options) (s *Scheduler, clock *atomic.Int64) {
	s, clock = prepare(e.begin, o), new(atomic.Int64)
	s.now = func() time.Time { return time.Unix(0, clock.Load()) }
	e.layer = func(_ context.Context, p *scriptPart) error {
		clock.Add(int64(p.rows()) * int64(time.Millisecond))
		return nil
	}
	return s, clock
}

// computeSome computes some stages. Whoever has all tokens wants no more.
func computeSome(s *Scheduler) {
	s.advance()
	clear(s.away)
}

// enterNow makes a request of n tokens and returns its result.
func enterNow(s *Scheduler, n int) (*infer.Session, <-chan error) {
	r := &request{session: new(infer.Session), ids: make([]int, n), done: make(chan error, 1)}
	s.enter(r)
	return r.session, r.done
}

// A short prompt does not wait for the chunk of a long one that is under way: it is
// computed at once, between two stages. What the long one has computed is not lost.
func TestShortPromptGoesBeforeAChunk(t *testing.T) {
	const layers = 8
	e := newScript(t, layers)
	s, clock := onClock(e, Options{Chunk: 64, Whole: 100})
	plain := e.layer
	var short <-chan error
	var came, left int64
	e.layer = func(ctx context.Context, p *scriptPart) error {
		if p.number == 0 && p.next == 2 {
			_, short = enterNow(s, 40)
			came = clock.Load()
		}
		return plain(ctx, p)
	}
	_, long := enterNow(s, 300)
	for len(s.prompts) > 0 {
		computeSome(s)
		if left == 0 && len(short) > 0 {
			left = clock.Load()
		}
	}
	require.NoError(t, <-long)
	require.NoError(t, <-short)
	stage, own := 100*time.Millisecond, layers*40*time.Millisecond
	require.Equal(t, stage+own, time.Duration(left-came), "the stage under way, and its own time")
	var rows []int
	for _, p := range e.batches() {
		rows = append(rows, p.rows())
	}
	require.Equal(t, []int{100, 40, 100, 100}, rows, "nothing is computed twice, and chunks are no smaller")
	require.Equal(t, "0", e.order[2])
	require.Equal(t, "1", e.order[3])
	require.Equal(t, "0", e.order[3+layers])
}

// Short prompts that come without end leave a long one half of the time.
func TestShortPromptsDoNotStopALongOne(t *testing.T) {
	const layers = 4
	e := newScript(t, layers)
	s, clock := onClock(e, Options{Chunk: 64, Whole: 100})
	_, long := enterNow(s, 1000)
	var short <-chan error
	answered := 0
	for len(long) == 0 {
		if short == nil || len(short) > 0 {
			if short != nil {
				require.NoError(t, <-short)
				answered++
			}
			_, short = enterNow(s, 45)
		}
		computeSome(s)
	}
	require.NoError(t, <-long)
	alone := layers * 1000 * time.Millisecond
	require.InDelta(t, 2*alone, clock.Load(), float64(alone)/10)
	require.InDelta(t, 1000/45, answered, 3)
}

// Prompts are brief beside others only: those of about the same length share chunks,
// and go on with a new one when it has begun.
func TestPromptsAlikeShareChunks(t *testing.T) {
	for _, x := range []struct {
		prompts []int
		want    [][]int // pieces of the chunks
	}{
		{[]int{30, 20, 40}, [][]int{{20, 30, 40}}},
		{[]int{300, 300}, [][]int{{50, 50}, {50, 50}, {50, 50}, {50, 50}, {50, 50}, {50, 50}}},
		{[]int{90, 30, 15}, [][]int{{30, 15}, {90}}},
		{[]int{90, 30, 30, 10}, [][]int{{30, 10}, {90}, {30}}},
		{[]int{90, 45, 15, 15, 15}, [][]int{{45}, {90}, {15, 15, 15}}}, // those that came later are no obstacle
	} {
		e := newScript(t, 2)
		s, _ := onClock(e, Options{Chunk: 64, Whole: 100})
		for _, n := range x.prompts {
			enterNow(s, n)
		}
		for len(s.prompts) > 0 {
			computeSome(s)
		}
		var got [][]int
		for _, p := range e.batches() {
			var pieces []int
			for _, piece := range p.pieces {
				pieces = append(pieces, len(piece.IDs))
			}
			got = append(got, pieces)
		}
		require.Equal(t, x.want, got, "%v", x.prompts)
	}
}

// A brief prompt that is given up, and one that fails, leave the chunk that waits as
// it is.
func TestBriefPromptsThatEndEarly(t *testing.T) {
	e := newScript(t, 8)
	s, _ := onClock(e, Options{Chunk: 64, Whole: 100})
	plain := e.layer
	var gone, failed *request
	e.layer = func(ctx context.Context, p *scriptPart) error {
		switch {
		case p.number == 0 && p.next == 2:
			gone = &request{session: new(infer.Session), ids: make([]int, 20), done: make(chan error, 1)}
			s.enter(gone)
		case p.number == 0 && p.next == 5:
			failed = &request{session: new(infer.Session), ids: make([]int, 10), done: make(chan error, 1)}
			s.enter(failed)
		case p.has(gone.session) && p.next == 1:
			s.cancel(gone)
		case failed != nil && p.has(failed.session):
			return errBroken
		}
		return plain(ctx, p)
	}
	gone = &request{session: new(infer.Session)}
	_, long := enterNow(s, 100)
	for len(s.prompts) > 0 {
		computeSome(s)
	}
	require.NoError(t, <-long)
	require.ErrorIs(t, <-gone.done, context.Canceled)
	require.ErrorIs(t, <-failed.done, errBroken)
	require.Len(t, e.batches(), 3)
}

// Who gives up while others are computed, be it a brief prompt or a step, waits for
// the end of their stage, not for the turn of his own chunk. One that nobody wants any
// more ends there too.
func TestGivenUpInAChunkThatWaits(t *testing.T) {
	for _, all := range []bool{false, true} {
		e := newScript(t, 8)
		s, clock := onClock(e, Options{Chunk: 64, Whole: 100})
		plain := e.layer
		var short <-chan error
		var gone, other *request
		var cancelled, out int64
		e.layer = func(ctx context.Context, p *scriptPart) error {
			if p.number == 0 && p.next == 2 {
				_, short = enterNow(s, 40)
			}
			if p.number == 1 && p.next == 1 {
				cancelled = clock.Load()
				s.cancel(gone)
				if all {
					s.cancel(other)
				}
			}
			return plain(ctx, p)
		}
		gone = &request{session: new(infer.Session), ids: make([]int, 60), done: make(chan error, 1)}
		other = &request{session: new(infer.Session), ids: make([]int, 60), done: make(chan error, 1)}
		s.enter(gone)
		s.enter(other)
		for len(s.prompts) > 0 {
			computeSome(s)
			if out == 0 && len(gone.done) > 0 {
				out = clock.Load()
			}
		}
		require.ErrorIs(t, <-gone.done, context.Canceled)
		require.Equal(t, 40*time.Millisecond, time.Duration(out-cancelled), "the stage under way")
		require.NoError(t, <-short)
		if all {
			require.ErrorIs(t, <-other.done, context.Canceled)
			require.Len(t, e.order, 3+8)
			continue
		}
		require.NoError(t, <-other.done)
		require.False(t, e.batches()[0].has(gone.session))
	}

	e := newScript(t, 8)
	s, _ := onClock(e, Options{Whole: 100})
	s.due.Store(1) // one stage at a time
	gone := &request{session: new(infer.Session), ids: make([]int, 20), done: make(chan error, 1)}
	s.enter(gone)
	enterNow(s, 20)
	s.advance()
	s.cancel(gone)
	plain := e.layer
	e.layer = func(ctx context.Context, p *scriptPart) error {
		require.Equal(t, 20, p.rows())
		return plain(ctx, p)
	}
	s.advance()
	require.Len(t, e.order, 2)
	require.ErrorIs(t, <-gone.done, context.Canceled)
}
