package prefix

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWarm: after it the texts used last are loaded without a read, as far as there
// is room for them.
func TestWarm(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, nil)
	old, late := count(0, 40), count(100, 40)
	keep(s, old, 20, 40)
	keep(s, late, 20, 40)
	require.NoError(t, s.Close(context.Background()))
	bytes := testShape.Bytes(0, 20) + testShape.Bytes(20, 40)

	s = openStore(t, dir, func(o *Options) { o.RAM = testShape.Memory(0, 20) + testShape.Memory(20, 40) })
	s.Warm(t.Context())
	require.Equal(t, bytes, s.Stats().Read)
	requireText(t, s, late, 40)
	require.Equal(t, bytes, s.Stats().Read)
	requireText(t, s, old, 40)
	require.Equal(t, 2*bytes, s.Stats().Read)

	s = openStore(t, dir, nil)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s.Warm(ended)
	require.Zero(t, s.Stats().Read)
	s.Warm(t.Context())
	require.Equal(t, 2*bytes, s.Stats().Read)
	openStore(t, "", nil).Warm(t.Context())
}

// endsAfter is a context that ends when it was asked so often.
type endsAfter struct {
	context.Context
	left *atomic.Int64
}

func (c endsAfter) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// TestReadingIsGivenUp: when somebody has no more patience, a beginning of the text is
// had at most, and no file is taken for a torn one.
func TestReadingIsGivenUp(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, nil)
	ids := count(0, 200)
	keep(s, ids, 40, 80, 120, 160, 200)
	require.NoError(t, s.Close(context.Background()))
	had := map[int]bool{}
	for asked := range int64(30) {
		s := openStore(t, dir, func(o *Options) { o.RAM = 1 })
		left := new(atomic.Int64)
		left.Store(asked)
		n, states := s.load(endsAfter{t.Context(), left}, ids, len(ids))
		had[n] = true
		require.Len(t, states, n/40)
		for _, st := range states {
			require.Equal(t, content(ids, st.From(), st.To()).Parts(), st.Parts())
		}
		require.Zero(t, s.Stats().Torn)
		requireText(t, s, ids, 200)
		require.NoError(t, s.Close(context.Background()))
	}
	require.True(t, had[0] && had[200], "%v", had)
}

// TestWaitingForAReaderIsGivenUp: who waits for a file that somebody else reads, from a
// drive that does not answer, can be cancelled; else he has what the other has read.
func TestWaitingForAReaderIsGivenUp(t *testing.T) {
	dir := t.TempDir()
	ids := count(0, 80)
	s := openStore(t, dir, nil)
	keep(s, ids, 40, 80)
	require.NoError(t, s.Close(context.Background()))

	s = openStore(t, dir, nil)
	requireText(t, s, ids[:40], 40)
	last, _ := s.tree.longest(ids, len(ids))
	slow := make(chan struct{})
	s.mu.Lock()
	last.reading = slow
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	had := make(chan int, 2)
	load := func(ctx context.Context) {
		n, _ := s.load(ctx, ids, len(ids))
		had <- n
	}
	go load(ctx)
	cancel()
	require.Equal(t, 40, <-had)
	require.Equal(t, 80, s.Known(ids, len(ids)), "it is not lost")

	go load(t.Context())
	s.mu.Lock()
	last.reading = nil
	s.mu.Unlock()
	close(slow)
	require.Equal(t, 80, <-had)
}

// TestLatest: the text used last is known after a restart, to its end, and with the
// tokens of its own where it has left another in the midst of a segment.
func TestLatest(t *testing.T) {
	require.Nil(t, openStore(t, "", nil).Latest())
	dir := t.TempDir()
	s := openStore(t, dir, nil)
	long := count(0, 90)
	branch := append(count(0, 33), count(500, 20)...)
	keep(s, long, 30, 36, 90) // the second is as short as a window, and can be left anywhere
	keep(s, branch, 53)
	require.Equal(t, branch, s.Latest())
	s.Known(long, 90)
	require.Equal(t, long, s.Latest())
	s.Known(branch, 53)
	require.NoError(t, s.Close(context.Background()))
	require.Equal(t, branch, openStore(t, dir, nil).Latest())
}
