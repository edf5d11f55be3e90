package batch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"expertfs/infer"

	"github.com/stretchr/testify/require"
)

// Texts that are decoded together are in one batch, step by step.
func TestStepsShareBatches(t *testing.T) {
	e := newScript(t, 3)
	const texts, steps = 4, 10
	// No time passes on the test's clock while a batch waits for company.
	var clock atomic.Int64
	s := prepare(e.begin, Options{})
	s.now = func() time.Time { return time.Unix(0, clock.Load()) }
	e.layer = func(_ context.Context, p *scriptPart) error {
		for p.number == 0 && int(s.due.Load()) < texts-len(p.pieces) { // until all are there
			time.Sleep(50 * time.Microsecond)
		}
		clock.Add(int64(30 * time.Millisecond))
		return nil
	}
	go s.loop()
	t.Cleanup(s.Close)
	var wg sync.WaitGroup
	for range texts {
		wg.Go(func() {
			session := new(infer.Session)
			for range steps {
				require.NoError(t, s.Append(context.Background(), session, []int{1}, nil))
			}
			s.Leave(session)
		})
	}
	within(t, "steps", wg.Wait)
	require.LessOrEqual(t, len(e.batches()), steps+texts)
	st := s.Stats()
	require.EqualValues(t, texts*steps, st.StepTexts)
	require.EqualValues(t, len(e.batches()), st.Steps)
}

// A text that is away for long holds up nobody.
func TestLateTextsAreNotWaitedFor(t *testing.T) {
	e := newScript(t, 1)
	s := newTestScheduler(t, e, Options{})
	slow, fast := new(infer.Session), new(infer.Session)
	require.NoError(t, s.Append(context.Background(), slow, []int{1}, nil)) // and never again
	within(t, "the other text", func() {
		for range 5 {
			require.NoError(t, s.Append(context.Background(), fast, []int{1}, nil))
		}
	})
}

var errBroken = errors.New("an expert cannot be read")

// Only those fail that need what is broken, steps and prompts.
func TestErrorsStayWithTheirTexts(t *testing.T) {
	for _, n := range []int{1, 50} {
		e := newScript(t, 3)
		s := newTestScheduler(t, e, Options{})
		bad := new(infer.Session)
		together := make(chan struct{})
		e.layer = func(_ context.Context, p *scriptPart) error {
			if p.number == 0 {
				<-together
			}
			if p.has(bad) && p.next == 1 {
				return errBroken
			}
			return nil
		}
		var wg sync.WaitGroup
		// The first batch holds the engine until all others wait.
		wg.Go(func() { require.NoError(t, s.Append(context.Background(), new(infer.Session), []int{1}, nil)) })
		for len(e.batches()) == 0 {
			time.Sleep(time.Millisecond)
		}
		for i := range 5 {
			session, want := new(infer.Session), error(nil)
			if i == 2 {
				session, want = bad, errBroken
			}
			wg.Go(func() { require.Equal(t, want, s.Append(context.Background(), session, make([]int, n), nil)) })
		}
		for waits := 0; waits < 5; time.Sleep(time.Millisecond) {
			s.mu.Lock()
			waits = len(s.steps) + len(s.prompts)
			s.mu.Unlock()
		}
		close(together)
		within(t, "all", wg.Wait)
		require.Len(t, e.batches()[1].pieces, 5)
	}
}

// What waits is given up at once, and what is computed between two layers.
func TestCancelling(t *testing.T) {
	for _, n := range []int{1, 50} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			e := newScript(t, 1000)
			s := newTestScheduler(t, e, Options{})
			layer := make(chan struct{})
			e.layer = func(ctx context.Context, _ *scriptPart) error {
				select {
				case layer <- struct{}{}:
				case <-ctx.Done():
				}
				return nil
			}
			running, cancelRunning := context.WithCancel(context.Background())
			waiting, cancelWaiting := context.WithCancel(context.Background())
			first, second := make(chan error, 1), make(chan error, 1)
			go func() { first <- s.Append(running, new(infer.Session), make([]int, n), nil) }()
			<-layer
			go func() { second <- s.Append(waiting, new(infer.Session), make([]int, n), nil) }()
			for waits := 0; waits == 0; time.Sleep(time.Millisecond) {
				s.mu.Lock()
				waits = len(s.steps) + len(s.prompts)
				if n > stepTokens {
					waits-- // the one under way
				}
				s.mu.Unlock()
			}
			cancelWaiting()
			within(t, "the one that waits", func() { require.ErrorIs(t, <-second, context.Canceled) })
			cancelRunning()
			within(t, "the one that is computed", func() { require.ErrorIs(t, <-first, context.Canceled) })
			go func() {
				for range 1000 {
					<-layer
				}
			}()
			within(t, "another", func() {
				require.NoError(t, s.Append(context.Background(), new(infer.Session), make([]int, n), nil))
			})
		})
	}
}

// A chunk goes on without a prompt that was given up: what the others have computed
// stays. Who gives up does not wait for its end, and one that all give up ends.
func TestCancelledCompany(t *testing.T) {
	const layers = 1000
	e := newScript(t, layers)
	s := prepare(e.begin, Options{})
	gate := make(chan struct{})
	e.layer = func(ctx context.Context, _ *scriptPart) error {
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return nil
	}
	pass := func(n int) {
		for range n {
			gate <- struct{}{}
		}
	}
	var texts [3]*infer.Session
	var cancel [3]context.CancelFunc
	var results [3]chan error
	for i, n := range []int{40, 30, 20} {
		var ctx context.Context
		ctx, cancel[i] = context.WithCancel(context.Background())
		texts[i], results[i] = new(infer.Session), make(chan error, 1)
		go func() { results[i] <- s.Append(ctx, texts[i], make([]int, n), nil) }()
	}
	for waits := 0; waits < 3; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		waits = len(s.prompts)
		s.mu.Unlock()
	}
	go s.loop()
	t.Cleanup(s.Close)
	pass(5)
	s.mu.Lock()
	shared := s.chunk
	s.mu.Unlock()
	cancel[0]()
	for left := false; !left; time.Sleep(time.Millisecond) {
		s.mu.Lock() // he may be out already, if the next stage has not begun
		left = len(shared.parts) < 3 || slices.ContainsFunc(shared.parts, func(x part) bool { return x.gone })
		s.mu.Unlock()
	}
	pass(1) // the stage under way
	within(t, "the one given up", func() { require.ErrorIs(t, <-results[0], context.Canceled) })
	pass(layers - 6)
	within(t, "another", func() { require.NoError(t, <-results[1]) })
	within(t, "the third", func() { require.NoError(t, <-results[2]) })
	require.Len(t, e.batches(), 1, "nothing is computed twice")
	require.Equal(t, map[*infer.Session]int{texts[1]: 30, texts[2]: 20}, map[*infer.Session]int{texts[1]: e.have[texts[1]], texts[2]: e.have[texts[2]]})
	require.Zero(t, e.have[texts[0]])
}

// A chunk that all give up, one after the other, ends.
func TestAllGiveUp(t *testing.T) {
	e := newScript(t, 1000)
	s := prepare(e.begin, Options{})
	e.layer = func(ctx context.Context, _ *scriptPart) error { <-ctx.Done(); return nil }
	results := make(chan error, 3)
	var cancels []context.CancelFunc
	for range 3 {
		ctx, cancel := context.WithCancel(context.Background())
		cancels = append(cancels, cancel)
		go func() { results <- s.Append(ctx, new(infer.Session), make([]int, 20), nil) }()
	}
	for waits := 0; waits < 3; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		waits = len(s.prompts)
		s.mu.Unlock()
	}
	go s.loop()
	t.Cleanup(s.Close)
	for len(e.batches()) == 0 {
		time.Sleep(time.Millisecond)
	}
	for _, cancel := range cancels {
		cancel()
	}
	within(t, "all", func() {
		for range 3 {
			require.ErrorIs(t, <-results, context.Canceled)
		}
	})
	require.Len(t, e.batches(), 1)
}

func TestCloseEndsAll(t *testing.T) {
	e := newScript(t, 1000)
	s := New(e.begin, Options{})
	e.layer = func(ctx context.Context, _ *scriptPart) error { <-ctx.Done(); return ctx.Err() }
	results := make(chan error, 4)
	for _, n := range []int{1, 50, 60, 1} {
		go func() { results <- s.Append(context.Background(), new(infer.Session), make([]int, n), nil) }()
	}
	for len(e.batches()) == 0 {
		time.Sleep(time.Millisecond)
	}
	within(t, "close", s.Close)
	for range 4 {
		require.ErrorIs(t, <-results, ErrClosed)
	}
	require.ErrorIs(t, s.Append(context.Background(), new(infer.Session), []int{1}, nil), ErrClosed)
}

// Whatever comes, each text gets its tokens once, in order, and nobody hangs.
func TestRandomTraffic(t *testing.T) {
	e := newScript(t, 5)
	r := rand.New(rand.NewPCG(1, 2))
	e.layer = func(_ context.Context, p *scriptPart) error {
		e.mu.Lock()
		defer e.mu.Unlock()
		if r.IntN(400) == 0 {
			return errBroken
		}
		return nil
	}
	s := newTestScheduler(t, e, Options{Chunk: 60, Whole: 100})
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 3))
			session, want := new(infer.Session), 0
			defer s.Leave(session)
			for range 40 {
				n := 1
				if r.IntN(6) == 0 {
					n = 1 + r.IntN(300)
				}
				ctx, cancel := context.WithCancel(context.Background())
				if r.IntN(10) == 0 {
					time.AfterFunc(time.Duration(r.IntN(300))*time.Microsecond, cancel)
				}
				err := s.Append(ctx, session, make([]int, n), nil)
				cancel()
				if err != nil { // a part of a long one may have been computed
					e.mu.Lock()
					require.LessOrEqual(t, e.have[session], want+n)
					want = e.have[session]
					e.mu.Unlock()
					continue
				}
				want += n
				e.mu.Lock()
				require.Equal(t, want, e.have[session])
				e.mu.Unlock()
			}
		})
	}
	within(t, "traffic", wg.Wait)
}

// After a failure in company each prompt is tried alone, and those that it has not
// come from share chunks again.
func TestCompanyAfterAFailure(t *testing.T) {
	e := newScript(t, 3)
	s := newTestScheduler(t, e, Options{Chunk: 60, Whole: 60})
	bad, one, two := new(infer.Session), new(infer.Session), new(infer.Session)
	together := make(chan struct{})
	e.layer = func(_ context.Context, p *scriptPart) error {
		if p.number == 0 {
			<-together
		}
		if p.has(bad) {
			return errBroken
		}
		return nil
	}
	var wg sync.WaitGroup
	wg.Go(func() { require.NoError(t, s.Append(context.Background(), new(infer.Session), []int{1}, nil)) })
	for len(e.batches()) == 0 {
		time.Sleep(time.Millisecond)
	}
	for session, want := range map[*infer.Session]error{bad: errBroken, one: nil, two: nil} {
		wg.Go(func() { require.Equal(t, want, s.Append(context.Background(), session, make([]int, 600), nil)) })
	}
	for waits := 0; waits < 3; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		waits = len(s.prompts)
		s.mu.Unlock()
	}
	close(together)
	within(t, "all", wg.Wait)
	shared := 0
	for _, p := range e.batches() {
		if p.has(one) && p.has(two) && !p.has(bad) {
			shared++
		}
	}
	require.GreaterOrEqual(t, shared, 600/30-3) // the end of one may be brief beside the other
	require.Equal(t, 600, e.have[one])
	require.Equal(t, 600, e.have[two])
}
