package batch

import (
	"context"
	"math"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"expertfs/checkpoint/checkpointtest"
	"expertfs/checkpoint/config"
	"expertfs/checkpoint/layout"
	"expertfs/checkpoint/synth"
	"expertfs/infer"
	"expertfs/infer/prefix"

	"github.com/stretchr/testify/require"
)

// openSmall opens a small model twice: one to be shared, and one that shows what a
// text gives alone.
func openSmall(t *testing.T, o infer.Options) (e *infer.Engine, alone *reference) {
	t.Helper()
	dir := t.TempDir()
	c := &config.Config{
		Layers: 3, Experts: 8, TopK: 3, Hidden: 96, Intermediate: 64, Vocab: 131,
		HeadDim: 32, Heads: 4, KVHeads: 2, Window: 20, Sliding: []bool{true, false, true},
		RMSEps: 1e-5, SwigluLimit: 7, SwigluAlpha: 1.702,
		Rope: config.Rope{Theta: 10000, Factor: 4, Alpha: 1, Beta: 8, InitialContext: 512},
	}
	ck, tree := filepath.Join(dir, "model"), filepath.Join(dir, "tree")
	require.NoError(t, synth.Write(context.Background(), ck, synth.Options{Config: c, Layout: layout.HuggingFace, Seed: 3}))
	require.NoError(t, checkpointtest.WriteTree(tree, ck))
	open := func() *infer.Engine {
		e, err := infer.Open(tree, o)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, e.Close()) })
		return e
	}
	return open(), &reference{e: open()}
}

// reference computes texts alone.
type reference struct {
	e  *infer.Engine
	mu sync.Mutex
}

func (r *reference) logits(t *testing.T, ids []int) []uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.e.NewSession()
	require.NoError(t, s.Append(context.Background(), ids, nil))
	return bits(s.Logits())
}

func bits(logits []float32) []uint32 {
	b := make([]uint32, len(logits))
	for i, v := range logits {
		b[i] = math.Float32bits(v)
	}
	return b
}

// TestTextsInCompany has clients ask at the same time, with common beginnings,
// forks, cancellations, and little memory: each gets what it would get alone. The
// store has much room, little, or there is none.
func TestTextsInCompany(t *testing.T) {
	for _, act := range []string{"f32", "bf16", "int8"} {
		e, alone := openSmall(t, infer.Options{Act: act, Threads: 1})
		var store *prefix.Store
		if ram := map[string]int64{"bf16": e.Shape().Bytes(0, 200), "int8": 1 << 30}[act]; ram > 0 {
			var err error
			store, err = prefix.Open(prefix.Options{Shape: e.Shape(), Start: 1, RAM: ram})
			require.NoError(t, err)
		}
		texts := NewTexts(e, store, 3*e.SessionBytes(250), 2)
		t.Cleanup(texts.Close)
		r := rand.New(rand.NewPCG(5, 5))
		preambles := [][]int{randomIDs(r, 40), randomIDs(r, 150)}
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() { client(t, texts, alone, preambles, rand.New(rand.NewPCG(uint64(i), 9))) })
		}
		within(t, act, wg.Wait)
		require.LessOrEqual(t, texts.Used(), texts.room.most)
		require.LessOrEqual(t, len(texts.idle), 2)
		var idle int64
		for _, h := range texts.idle {
			idle += h.bytes
		}
		require.Equal(t, idle, texts.Used(), "nothing is set aside for nobody")
	}
}

// client asks some times: a prompt, some tokens, sometimes a fork.
func client(t *testing.T, texts *Texts, alone *reference, preambles [][]int, r *rand.Rand) {
	for range 4 {
		ids := append(append([]int(nil), preambles[r.IntN(2)]...), randomIDs(r, 1+r.IntN(100))...)
		ask(t, texts, alone, ids, r)
	}
}

func ask(t *testing.T, texts *Texts, alone *reference, ids []int, r *rand.Rand) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if r.IntN(4) == 0 {
		time.AfterFunc(time.Duration(r.IntN(20))*time.Millisecond, cancel)
	}
	x, reused, err := texts.Prompt(ctx, ids, nil)
	if err != nil {
		require.ErrorIs(t, err, context.Canceled)
		return
	}
	require.Less(t, reused, len(ids))
	require.Equal(t, alone.logits(t, ids), bits(x.Logits()))
	all := []*Text{x}
	if fork := x.Fork(); fork != nil {
		all = append(all, fork)
	}
	for _, x := range all {
		goOn(t, ctx, x, ids, alone, r)
		x.Close()
	}
}

func goOn(t *testing.T, ctx context.Context, x *Text, ids []int, alone *reference, r *rand.Rand) {
	ids = append([]int(nil), ids...)
	for range 8 {
		next := randomIDs(r, 1+r.IntN(3))
		ids = append(ids, next...)
		if err := x.Append(ctx, next); err != nil {
			require.ErrorIs(t, err, context.Canceled)
			return
		}
		if r.IntN(5) == 0 {
			require.Equal(t, alone.logits(t, ids), bits(x.Logits()))
		}
	}
}

func randomIDs(r *rand.Rand, n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = r.IntN(131)
	}
	return ids
}

// Two texts of which only one fits to its end both come to theirs.
func TestTextsThatOutgrowTheMemory(t *testing.T) {
	e, alone := openSmall(t, infer.Options{Threads: 1})
	texts := NewTexts(e, nil, e.SessionBytes(1500), 2)
	t.Cleanup(texts.Close)
	require.Less(t, texts.Context(), e.Context())
	require.GreaterOrEqual(t, texts.Context(), 1500)
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			ids := randomIDs(r, 300)
			x, _, err := texts.Prompt(context.Background(), ids, nil)
			require.NoError(t, err)
			for len(ids) < 1200 {
				next := randomIDs(r, 50)
				ids = append(ids, next...)
				require.NoError(t, x.Append(context.Background(), next))
				require.LessOrEqual(t, texts.Used(), texts.room.most)
			}
			require.Equal(t, alone.logits(t, ids), bits(x.Logits()))
			x.Close()
		})
	}
	within(t, "both", wg.Wait)
}

// What was computed for one text is of use to the next, and a short question does
// not cost a long conversation.
func TestIdleTextsAreOfUse(t *testing.T) {
	e, _ := openSmall(t, infer.Options{Threads: 1})
	texts := NewTexts(e, nil, 100*e.SessionBytes(500), 2)
	t.Cleanup(texts.Close)
	r := rand.New(rand.NewPCG(1, 1))
	ask := func(ids []int) int {
		x, reused, err := texts.Prompt(context.Background(), ids, nil)
		require.NoError(t, err)
		x.Close()
		return reused
	}
	long, short := randomIDs(r, 200), randomIDs(r, 5)
	require.Zero(t, ask(long))
	require.Zero(t, ask(short))
	require.Equal(t, 200, ask(append(long[:200:200], 7)))
	require.Equal(t, 4, ask(short))
	x, reused, err := texts.Prompt(context.Background(), long, func(int, []float32) {})
	require.NoError(t, err)
	require.Zero(t, reused, "all logits are wanted")
	x.Close()
}

// Who waits for memory does so in order, and is given up when its client is gone.
func TestWaitingForMemory(t *testing.T) {
	e, _ := openSmall(t, infer.Options{Threads: 1})
	texts := NewTexts(e, nil, e.SessionBytes(1000), 2)
	t.Cleanup(texts.Close)
	r := rand.New(rand.NewPCG(1, 1))
	first, _, err := texts.Prompt(context.Background(), randomIDs(r, 900), nil)
	require.NoError(t, err)
	require.Nil(t, first.Fork())
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { _, _, err := texts.Prompt(ctx, randomIDs(r, 900), nil); result <- err }()
	for waits := 0; waits == 0; time.Sleep(time.Millisecond) {
		texts.mu.Lock()
		waits = len(texts.room.waiting)
		texts.mu.Unlock()
	}
	cancel()
	within(t, "the one given up", func() { require.ErrorIs(t, <-result, context.Canceled) })
	go func() {
		x, _, err := texts.Prompt(context.Background(), make([]int, 900), nil)
		if err == nil {
			x.Close()
		}
		result <- err
	}()
	first.Close()
	within(t, "the next", func() { require.NoError(t, <-result) })
}

// A spare's memory may be taken while its owner asks about it.
func TestSparesMayBeTakenAtAnyTime(t *testing.T) {
	e, alone := openSmall(t, infer.Options{Threads: 1})
	texts := NewTexts(e, nil, 3*e.SessionBytes(60), 1) // a text of 60 tokens, its spare, and half of one of 100
	t.Cleanup(texts.Close)
	r := rand.New(rand.NewPCG(2, 2))
	for range 10 {
		ids := randomIDs(r, 60)
		x, _, err := texts.Prompt(context.Background(), ids, nil)
		require.NoError(t, err)
		spare := x.Fork()
		require.NotNil(t, spare)
		var wg sync.WaitGroup
		other := randomIDs(r, 100)
		wg.Go(func() {
			x, _, err := texts.Prompt(context.Background(), other, nil)
			require.NoError(t, err)
			x.Close()
		})
		var taken atomic.Bool
		wg.Go(func() {
			for !taken.Load() {
				require.Zero(t, spare.Substituted())
			}
		})
		within(t, "the spare's memory is taken", func() {
			for spares := 1; spares > 0; time.Sleep(100 * time.Microsecond) {
				texts.mu.Lock()
				spares = len(texts.spares)
				texts.mu.Unlock()
			}
		})
		taken.Store(true)
		require.Equal(t, bits(x.Logits()), bits(spare.Logits()))
		x.Close()
		wg.Wait()
		require.NoError(t, spare.Append(context.Background(), []int{7}))
		require.Equal(t, alone.logits(t, append(ids[:60:60], 7)), bits(spare.Logits()))
		spare.Close()
	}
}
