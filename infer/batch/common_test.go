package batch

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"expertfs/infer"
	"expertfs/infer/prefix"

	"github.com/stretchr/testify/require"
)

// storing are texts of so many bytes over a store in RAM.
func storing(t *testing.T, e *infer.Engine, bytes int64) *Texts {
	t.Helper()
	store, err := prefix.Open(prefix.Options{Shape: e.Shape(), Start: -1, RAM: 1 << 30})
	require.NoError(t, err)
	texts := NewTexts(e, store, bytes, 2)
	t.Cleanup(texts.Close)
	return texts
}

// asked is a prompt on its way.
type asked struct {
	cancel func()
	result chan error
	reused int
}

func (t *Texts) askFor(ctx context.Context, ids []int, check func(x *Text)) *asked {
	a := &asked{result: make(chan error, 1)}
	ctx, a.cancel = context.WithCancel(ctx)
	go func() {
		x, reused, err := t.Prompt(ctx, ids, nil)
		if a.reused = reused; err == nil {
			check(x)
			x.Close()
		}
		a.result <- err
	}()
	return a
}

// until waits for something about texts.
func until(t *testing.T, texts *Texts, what string, f func() bool) {
	t.Helper()
	within(t, what, func() {
		for ok := false; !ok; time.Sleep(time.Millisecond) {
			texts.mu.Lock()
			ok = f()
			texts.mu.Unlock()
		}
	})
}

// TestEqualPromptsAtOnce: what several that come at once have in common is computed once.
func TestEqualPromptsAtOnce(t *testing.T) {
	e, alone := openSmall(t, infer.Options{Threads: 1})
	texts := storing(t, e, 10*e.SessionBytes(500))
	ids := randomIDs(rand.New(rand.NewPCG(6, 6)), 300)
	want := alone.logits(t, ids)
	all := make([]*asked, 4)
	for i := range all {
		all[i] = texts.askFor(t.Context(), ids, func(x *Text) { require.Equal(t, want, bits(x.Logits())) })
	}
	computed := 0
	within(t, "all", func() {
		for _, a := range all {
			require.NoError(t, <-a.result)
			computed += len(ids) - a.reused
		}
	})
	require.Equal(t, len(ids)+3, computed)
	require.Empty(t, texts.entering)
}

// TestCommonBeginning: who has a part in common with a long prompt waits for that part.
func TestCommonBeginning(t *testing.T) {
	e, alone := openSmall(t, infer.Options{Threads: 1})
	texts := storing(t, e, 2*e.SessionBytes(640))
	r := rand.New(rand.NewPCG(7, 7))
	long := randomIDs(r, 640)
	branch := append(slices.Clone(long[:560]), randomIDs(r, 40)...)
	taken, _, err := texts.Prompt(t.Context(), randomIDs(r, 700), nil) // the first waits for its memory
	require.NoError(t, err)
	both := make(chan struct{}) // the first is in use until the second is there, which could have its session else
	first := texts.askFor(t.Context(), long, func(x *Text) {
		require.Equal(t, alone.logits(t, long), bits(x.Logits()))
		<-both
	})
	until(t, texts, "the first", func() bool { return len(texts.entering) > 0 })
	second := texts.askFor(t.Context(), branch, func(x *Text) { require.Equal(t, alone.logits(t, branch), bits(x.Logits())) })
	taken.Close()
	within(t, "both", func() {
		require.NoError(t, <-second.result)
		close(both)
		require.NoError(t, <-first.result)
	})
	require.Equal(t, 512, second.reused)
}

// TestCommonBeyondWhatIsKnown: a prompt that has not begun, since it waits for memory, has
// as little left to compute as what is stored of it leaves.
func TestCommonBeyondWhatIsKnown(t *testing.T) {
	e, alone := openSmall(t, infer.Options{Threads: 1})
	texts := storing(t, e, 2*e.SessionBytes(740))
	r := rand.New(rand.NewPCG(9, 9))
	long := randomIDs(r, 700)
	longer := append(slices.Clone(long), randomIDs(r, 40)...)
	known, _, err := texts.Prompt(t.Context(), long[:512], nil)
	require.NoError(t, err)
	known.Close()
	taken, _, err := texts.Prompt(t.Context(), randomIDs(r, 900), nil)
	require.NoError(t, err)
	first := texts.askFor(t.Context(), long, func(*Text) {})
	until(t, texts, "the first", func() bool { return len(texts.room.waiting) == 1 })
	most := len(longer) - 1
	n := texts.store.Known(longer, most)
	require.Equal(t, 512, n)
	texts.mu.Lock()
	ahead := texts.ahead(longer, most, n)
	texts.mu.Unlock()
	require.NotNil(t, ahead, "188 more tokens are worth to be waited for while 188 are computed")
	second := texts.askFor(t.Context(), longer, func(x *Text) { require.Equal(t, alone.logits(t, longer), bits(x.Logits())) })
	taken.Close()
	within(t, "both", func() {
		require.NoError(t, <-first.result)
		require.NoError(t, <-second.result)
	})
	require.Equal(t, 700, second.reused)
}

// TestWhoIsWaitedForIsGivenUp: the next goes on in its place, and who waits can be
// given up too. Brief prompts wait for none.
func TestWhoIsWaitedForIsGivenUp(t *testing.T) {
	e, alone := openSmall(t, infer.Options{Threads: 1})
	texts := storing(t, e, e.SessionBytes(500))
	r := rand.New(rand.NewPCG(8, 8))
	x, _, err := texts.Prompt(t.Context(), randomIDs(r, 400), nil) // takes the memory
	require.NoError(t, err)
	long := randomIDs(r, 300)
	check := func(x *Text) { require.Equal(t, alone.logits(t, long), bits(x.Logits())) }
	waits := func(n int) func() bool { return func() bool { return len(texts.room.waiting) == n } }
	first := texts.askFor(t.Context(), long, check)
	until(t, texts, "the first", waits(1))
	second, third := texts.askFor(t.Context(), long, check), texts.askFor(t.Context(), long, check)
	brief := texts.askFor(t.Context(), append(slices.Clone(long[:90]), 7), func(*Text) {})
	until(t, texts, "the brief one", waits(2))
	third.cancel()
	within(t, "the third", func() { require.ErrorIs(t, <-third.result, context.Canceled) })
	brief.cancel()
	within(t, "the brief one", func() { require.ErrorIs(t, <-brief.result, context.Canceled) })
	until(t, texts, "the first again", waits(1))
	first.cancel()
	within(t, "the first", func() { require.ErrorIs(t, <-first.result, context.Canceled) })
	until(t, texts, "the second", waits(1))
	x.Close()
	within(t, "the second", func() { require.NoError(t, <-second.result) })
	require.Empty(t, texts.entering)
}
