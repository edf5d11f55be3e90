package batch

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"expertfs/infer"
	"expertfs/infer/prefix"

	"github.com/stretchr/testify/require"
)

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

// A text whose files are being read when the patience of Warm ends is given up: it is
// not computed, and still is the text used last.
func TestWarmWithLittleRAM(t *testing.T) {
	e, alone := openSmall(t, infer.Options{Threads: 1})
	r := rand.New(rand.NewPCG(3, 3))
	ids, dir := randomIDs(r, 1700), t.TempDir()
	open := func() (*Texts, *prefix.Store) {
		store, err := prefix.Open(prefix.Options{Shape: e.Shape(), Start: -1, Dir: dir, Disk: 1 << 30, RAM: 1}) // no room for any
		require.NoError(t, err)
		return NewTexts(e, store, 3*e.SessionBytes(2000), 2), store
	}
	texts, store := open()
	x, _, err := texts.Prompt(t.Context(), ids, nil)
	require.NoError(t, err)
	x.Close()
	texts.Close()
	require.NoError(t, store.Close(context.Background()))
	for _, asked := range []int64{3, 5, 8, 1000} {
		texts, store = open()
		left := new(atomic.Int64)
		left.Store(asked)
		texts.Warm(endsAfter{t.Context(), left})
		require.Equal(t, ids, store.Latest())
		if asked < 1000 {
			require.Zero(t, texts.Stats(), "nothing is computed")
			require.Zero(t, texts.Used())
		} else {
			require.Equal(t, Stats{Steps: 1, StepTexts: 1}, texts.Stats())
		}
		x, reused, err := texts.Prompt(t.Context(), ids, nil)
		require.NoError(t, err)
		require.Equal(t, len(ids)-1, reused)
		require.Equal(t, alone.logits(t, ids), bits(x.Logits()))
		x.Close()
		texts.Close()
		require.Zero(t, store.Stats().Torn)
		require.NoError(t, store.Close(context.Background()))
	}
}

// stuck is a batch in a stage that waits for an expert.
type stuck struct {
	Batch
	begun chan struct{}
	end   chan struct{}
}

func (p stuck) Advance(context.Context, func() bool) (bool, error) {
	close(p.begun)
	<-p.end
	return false, errBroken
}

// Warm waits for no expert that is on its way when its patience ends, and Close does.
func TestWarmDoesNotWaitForAnExpert(t *testing.T) {
	e, _ := openSmall(t, infer.Options{Threads: 1})
	store, err := prefix.Open(prefix.Options{Shape: e.Shape(), Start: -1, RAM: 1 << 30})
	require.NoError(t, err)
	texts := NewTexts(e, store, 3*e.SessionBytes(500), 2)
	x, _, err := texts.Prompt(t.Context(), randomIDs(rand.New(rand.NewPCG(3, 3)), 50), nil)
	require.NoError(t, err)
	x.Close()
	texts.Close()

	texts = NewTexts(e, store, 3*e.SessionBytes(500), 2)
	texts.steps.Close()
	b := stuck{begun: make(chan struct{}), end: make(chan struct{})}
	texts.steps = New(func([]infer.Piece) (Batch, error) { return b, nil }, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	warmed, closed := make(chan struct{}), make(chan struct{})
	go func() { defer close(warmed); texts.Warm(ctx) }()
	within(t, "warming", func() { <-b.begun })
	cancel()
	within(t, "patience", func() { <-warmed })
	go func() { defer close(closed); texts.Close() }()
	select {
	case <-closed:
		t.Fatal("what is computed is still used")
	case <-time.After(10 * time.Millisecond):
	}
	close(b.end)
	within(t, "close", func() { <-closed })
}

// After Warm the text used last is idle, but for its last token, which every prompt
// has computed, and nothing else is.
func TestWarm(t *testing.T) {
	e, alone := openSmall(t, infer.Options{Threads: 1})
	r := rand.New(rand.NewPCG(3, 3))
	ids, dir := randomIDs(r, 300), t.TempDir()
	open := func(bytes int64) (*Texts, *prefix.Store) {
		store, err := prefix.Open(prefix.Options{Shape: e.Shape(), Start: -1, Dir: dir, Disk: 1 << 30, RAM: 1 << 30})
		require.NoError(t, err)
		texts := NewTexts(e, store, bytes, 2)
		t.Cleanup(func() {
			texts.Close()
			require.NoError(t, store.Close(context.Background()))
		})
		return texts, store
	}
	room := 3 * e.SessionBytes(500)
	texts, store := open(room)
	texts.Warm(t.Context()) // of nothing
	require.Zero(t, texts.Used())
	x, _, err := texts.Prompt(t.Context(), ids, nil)
	require.NoError(t, err)
	x.Close()
	require.NoError(t, store.Close(context.Background()))

	texts, store = open(room)
	texts.Warm(t.Context())
	require.Equal(t, Stats{Steps: 1, StepTexts: 1}, texts.Stats())
	require.EqualValues(t, len(ids)-1, store.Stats().Restored)
	require.Len(t, texts.idle, 1)
	x, reused, err := texts.Prompt(t.Context(), ids, nil)
	require.NoError(t, err)
	require.Equal(t, len(ids)-1, reused)
	require.EqualValues(t, len(ids)-1, store.Stats().Restored, "it was restored once")
	require.Equal(t, alone.logits(t, ids), bits(x.Logits()))
	x.Close()

	texts, _ = open(e.SessionBytes(100)) // with less memory than the text takes
	texts.Warm(t.Context())
	require.Zero(t, texts.Used())

	texts, _ = open(room)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	texts.Warm(ended)
	require.Zero(t, texts.Used())

	texts = NewTexts(e, nil, room, 2)
	defer texts.Close()
	texts.Warm(t.Context())
	require.Zero(t, texts.Used())
}
