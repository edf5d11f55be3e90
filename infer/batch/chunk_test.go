package batch

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"expertfs/infer"

	"github.com/stretchr/testify/require"
)

// enterBeside has a prompt enter while a text takes tokens, on a clock of the test's: a
// layer of a step takes 1 ms, and a stage of the prompt what took says. Seen is told of
// each stage of the prompt: how many there were since the last step, and how long they took.
func enterBeside(t *testing.T, e *script, o Options, prompt int, took func(*scriptPart) time.Duration,
	seen func(p *scriptPart, stages int, sum time.Duration)) (text, long *infer.Session) {
	t.Helper()
	s := prepare(e.begin, o)
	var clock, sum, stages atomic.Int64
	s.now = func() time.Time { return time.Unix(0, clock.Load()) }
	go s.loop()
	t.Cleanup(s.Close)
	text, long = new(infer.Session), new(infer.Session)
	e.layer = func(_ context.Context, p *scriptPart) error {
		if !p.has(long) {
			sum.Store(0)
			stages.Store(0)
			clock.Add(int64(time.Millisecond))
			return nil
		}
		for s.due.Load() == 0 { // until the text is due again, so that the order is certain
			time.Sleep(50 * time.Microsecond)
		}
		stage := took(p)
		clock.Add(int64(stage))
		seen(p, int(stages.Add(1)), time.Duration(sum.Add(int64(stage))))
		return nil
	}
	require.NoError(t, s.Append(context.Background(), text, []int{1}, nil))
	entered := make(chan error, 1)
	go func() { entered <- s.Append(context.Background(), long, make([]int, prompt), nil) }()
	within(t, "prompt", func() {
		for {
			require.NoError(t, s.Append(context.Background(), text, []int{1}, nil))
			select {
			case err := <-entered:
				require.NoError(t, err)
				return
			default:
			}
		}
	})
	return text, long
}

// While a text is decoded a prompt goes through the layers between its steps. A
// layer of a step takes 1 ms on the test's clock, and one of a chunk some time for
// each token, every second one half of it. Chunks are as large as take three
// quarters of a step in the longest layer, and as many layers as take that at most, one
// at least, are between two steps: a layer takes as long as the one like it before.
func TestPromptEntersBetweenSteps(t *testing.T) {
	const layers, prompt = 6, 1000
	for each, want := range map[time.Duration]struct{ rows, layers int }{
		time.Millisecond:       {leastChunk, 1},
		100 * time.Microsecond: {32, 2},
		20 * time.Microsecond:  {100, 3},
	} {
		e := newScript(t, layers)
		text, long := enterBeside(t, e, Options{Chunk: 100, Whole: 500}, prompt, func(p *scriptPart) time.Duration {
			return each * time.Duration(p.rows()) / time.Duration(2-p.next%2)
		}, func(p *scriptPart, stages int, sum time.Duration) {
			if stages > 1 && sum > layers*time.Millisecond*3/4 {
				t.Errorf("%d stages of %d tokens make a text wait %v beside its step", stages, p.rows(), sum)
			}
		})
		left, chunks, usual := prompt, map[string]bool{}, map[string]bool{} // by number
		for _, p := range e.batches() {
			require.False(t, p.has(text) && p.has(long))
			if p.has(long) {
				chunks[fmt.Sprint(p.number)] = true
				usual[fmt.Sprint(p.number)] = len(chunks) > 1 && left >= want.rows
				if len(chunks) == 1 { // to learn from
					require.Equal(t, leastChunk, p.rows())
				} else {
					require.Equal(t, min(want.rows, left), p.rows(), each)
				}
				left -= p.rows()
			}
		}
		require.Zero(t, left)
		row := 0
		for _, number := range e.order {
			if row++; !chunks[number] {
				row = 0
			}
			if usual[number] {
				require.LessOrEqual(t, row, want.layers, "layers of chunks between two steps")
			}
		}
	}
}

// A step that took long, once, is not what chunks are measured by.
func TestUsualStep(t *testing.T) {
	s := prepare(newScript(t, 1).begin, Options{})
	require.Zero(t, s.usualStep())
	for _, ms := range []int{10, 12, 400, 11, 13, 12} {
		s.took(time.Duration(ms) * time.Millisecond)
	}
	require.Equal(t, 12*time.Millisecond, s.usualStep())
	for range 3 {
		s.took(30 * time.Millisecond)
	}
	require.Equal(t, 30*time.Millisecond, s.usualStep())
	require.Len(t, s.recent, recentSteps)
}

// The logits of a prompt whose probabilities are asked for take as long in a small
// chunk as in a large one, and chunks are not made small for them.
func TestLogitsDoNotMakeChunksSmall(t *testing.T) {
	const layered = 4
	e := newScript(t, layered+3)
	s := prepare(e.begin, Options{Chunk: 256, Stages: layered})
	var clock atomic.Int64
	s.now = func() time.Time { return time.Unix(0, clock.Load()) }
	e.layer = func(_ context.Context, p *scriptPart) error {
		took := time.Duration(p.rows()) * 100 * time.Microsecond
		if p.next >= layered {
			took = time.Second
		}
		clock.Add(int64(took))
		return nil
	}
	s.took(20 * time.Millisecond)
	s.away[new(infer.Session)] = struct{}{} // somebody takes tokens
	s.prompts = []*request{{session: new(infer.Session), ids: make([]int, 500), done: make(chan error, 1)}}
	var rows []int
	for len(s.prompts) > 0 {
		s.advance()
	}
	for _, p := range e.batches() {
		rows = append(rows, p.rows())
	}
	require.Equal(t, []int{leastChunk, 144, 144, 144, 52}, rows)
}

// Attention to all of the text, which takes longer the longer that is, and attention to a
// window alternate: what the one takes tells nothing of the other.
func TestAttentionThatAlternates(t *testing.T) {
	const stages = 16
	e := newScript(t, stages)
	alternate := []time.Duration{time.Millisecond, 2 * time.Millisecond, 11 * time.Millisecond, 2 * time.Millisecond}
	var first *scriptPart // chunk, which nothing is known for
	_, long := enterBeside(t, e, Options{Chunk: 100, Whole: 500, Stages: stages}, 4*leastChunk, func(p *scriptPart) time.Duration {
		return alternate[p.next%4]
	}, func(p *scriptPart, n int, sum time.Duration) {
		first = cmp.Or(first, p)
		if n > 1 && p != first && sum > stages*time.Millisecond*3/4 {
			t.Errorf("%d stages to the %d. make a text wait %v beside its step", n, p.next, sum)
		}
	})
	chunks := 0
	for _, p := range e.batches() {
		if p.has(long) {
			require.Equal(t, leastChunk, p.rows())
			chunks++
		}
	}
	require.Equal(t, 4, chunks)
}

// Alone, a prompt is computed in the largest batches, without a stop.
func TestPromptAlone(t *testing.T) {
	e := newScript(t, 4)
	s := newTestScheduler(t, e, Options{Chunk: 100, Whole: 500})
	require.NoError(t, s.Append(context.Background(), new(infer.Session), make([]int, 1200), nil))
	var rows []int
	for _, p := range e.batches() {
		rows = append(rows, p.rows())
	}
	require.Equal(t, []int{500, 500, 200}, rows)
}

// deal gives every prompt a part, and what short ones do not need to the others.
func TestDeal(t *testing.T) {
	for _, x := range []struct {
		prompts []int
		room    int
		want    map[int]int // by prompt
	}{
		{[]int{1000}, 256, map[int]int{0: 256}},
		{[]int{1000, 20}, 256, map[int]int{0: 236, 1: 20}},
		{[]int{1000, 300, 900, 10}, 256, map[int]int{0: 82, 1: 82, 2: 82, 3: 10}},
		{[]int{20, 30}, 256, map[int]int{0: 20, 1: 30}},
		{[]int{9, 9, 9}, 2, map[int]int{1: 1, 2: 1}},
	} {
		var all []*request
		for _, n := range x.prompts {
			all = append(all, &request{ids: make([]int, n)})
		}
		got := map[int]int{}
		for _, p := range deal(all, x.room) {
			for i, r := range all {
				if r == p.request {
					got[i] = p.n
				}
			}
		}
		require.Len(t, got, len(x.want), "%v", x)
		sum := 0
		for i, n := range got {
			require.InDelta(t, x.want[i], n, 1, "%v: prompt %d", x, i)
			sum += n
		}
		require.LessOrEqual(t, sum, x.room)
	}
}
