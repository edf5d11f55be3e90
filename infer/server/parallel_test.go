package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"expertfs/infer/server/scripted"
	"expertfs/infer/tokenizer"

	"github.com/stretchr/testify/require"
)

// startParallel serves a scripted model with slots. It says what a prompt says.
func startParallel(t *testing.T, slots int, before func(context.Context) error) (*httptest.Server, *Server, *model) {
	t.Helper()
	m := &model{}
	s := newServer(t, m)
	tokens := tokenizer.O200kHarmony()
	m.Engine = &scripted.Engine{Tokens: tokens, Room: 1000, Parallel: slots, Before: before, Say: func(prompt []int) string {
		return tokens.Decode(prompt) + " said<|return|>"
	}}
	server := newHTTP(t, s)
	s.Ready(m.Engine)
	return server, s, m
}

// As many requests are computed as there are slots, the others wait, and each gets
// its own answer.
func TestRequestsShareTheEngine(t *testing.T) {
	gate := make(chan struct{})
	server, s, m := startParallel(t, 3, func(ctx context.Context) error {
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return ctx.Err()
	})
	const clients = 7 // three are computed and four wait
	answers := make(chan string, clients)
	for i := range clients {
		go func() {
			_, answer := post(t, server, "/v1/completions", fmt.Sprintf(`{"prompt": "number %d", "max_tokens": 20}`, i))
			if !strings.Contains(answer, fmt.Sprintf(`"text":"number %d said"`, i)) {
				answers <- answer
			}
			answers <- ""
		}()
	}
	soon(t, func() bool { return m.Prompts() == 3 && s.queue.count() == clients })
	_, running := s.queue.state()
	require.Equal(t, 3, running)
	status, answer := post(t, server, "/v1/completions", `{"prompt": "x"}`)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, answer, "overloaded")
	close(gate)
	for range clients {
		require.Empty(t, <-answers)
	}
	require.Equal(t, clients, m.Prompts())
	soon(t, func() bool { return !m.Busy() && !s.Busy() })
	resp, err := http.Get(server.URL + "/props")
	require.NoError(t, err)
	defer resp.Body.Close()
	props, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(props), `"total_slots":3`)
}

// Choices of one request are computed at the same time, and their prompt once.
func TestChoicesShareTheirPrompt(t *testing.T) {
	server, s, m := startParallel(t, 2, nil)
	c := postOK[completion](t, server, "/v1/completions", `{"prompt": ["first", "second"], "n": 5, "max_tokens": 20}`)
	require.Equal(t, 2, m.Prompts())
	require.Len(t, c.Choices, 10)
	for i, choice := range c.Choices {
		require.Equal(t, i, choice.Index)
		require.Equal(t, []string{"first", "second"}[i/5]+" said", choice.Text)
	}
	require.Equal(t, 2, c.Usage.Prompt)
	require.Zero(t, c.Usage.PromptDetails.Cached)
	require.Equal(t, 2, c.Timings.PromptN)

	all, _ := events[completion](t, server, "/v1/completions", `{"prompt": "third", "n": 3, "max_tokens": 20, "stream": true}`)
	texts := make([]string, 3)
	for _, e := range all {
		for _, choice := range e.Choices {
			texts[choice.Index] += choice.Text
		}
	}
	require.Equal(t, []string{"third said", "third said", "third said"}, texts)
	require.Equal(t, 3, m.Prompts())

	// Each has to see the prompt computed.
	c = postOK[completion](t, server, "/v1/completions", `{"prompt": "x", "n": 2, "echo": true, "logprobs": 0, "max_tokens": 1}`)
	require.Len(t, c.Choices[1].Logprobs.Tokens, len(c.Choices[0].Logprobs.Tokens))
	require.Equal(t, 5, m.Prompts())
	soon(t, func() bool { return !m.Busy() && !s.Busy() })
}

// A choice that fails ends its request, and no other.
func TestFailureOfAChoice(t *testing.T) {
	server, s, m := startParallel(t, 4, nil)
	m.Err = errGoneExpert
	m.Say = func([]int) string { return "a b c" }
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			status, answer := post(t, server, "/v1/completions", `{"prompt": "x", "n": 3, "max_tokens": 20}`)
			require.Equal(t, http.StatusInternalServerError, status)
			require.Contains(t, answer, errGoneExpert.Error())
		})
	}
	group.Wait()
	soon(t, func() bool { return !m.Busy() && !s.Busy() })
	c := postOK[completion](t, server, "/v1/completions", `{"prompt": "x", "n": 3, "max_tokens": 2}`)
	require.Len(t, c.Choices, 3)
}

// Turns are given in order, and all of them to one who wants to be alone.
func TestQueueOrder(t *testing.T) {
	q := newQueue(10)
	q.resize(2)
	ctx := t.Context()
	require.NoError(t, q.enter(ctx))
	require.NoError(t, q.enter(ctx))
	order := make(chan string, 3)
	wait := func(name string, enter func(context.Context) error) {
		before := q.waits()
		go func() {
			if enter(ctx) == nil {
				order <- name
			}
		}()
		soon(t, func() bool { return q.waits() == before+1 })
	}
	given, cancel := context.WithCancel(ctx)
	wait("given up", func(context.Context) error { return q.enter(given) })
	wait("alone", q.enterAlone)
	wait("last", q.enter)
	cancel()
	soon(t, func() bool { return q.waits() == 2 })
	q.leave()
	require.Empty(t, order)
	q.leave()
	require.Equal(t, "alone", <-order)
	require.Equal(t, 1, q.waits())
	q.leaveAlone()
	require.Equal(t, "last", <-order)
}

func (q *queue) waits() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.line)
}

var errGoneExpert = errors.New("layer 3, expert 7: gone")

// heldReader holds the lock of its job, as one whose client does not read.
type heldReader struct {
	held chan struct{} // closed when it does
	free chan struct{} // closed when it may go on
}

func (r *heldReader) next(int) ([]int, []uint64, error) { return nil, nil, nil }

func (r *heldReader) push(p tokenProb) (int, bool, error) {
	close(r.held)
	<-r.free
	return p.id, false, nil
}

func (r *heldReader) end(why finish) (finish, error) { return why, nil }

// A client that does not read does not hold up the engine, which computes for all.
func TestEngineWaitsForNoReader(t *testing.T) {
	_, s, _ := startParallel(t, 2, nil)
	j, err := s.begin(t.Context())
	require.NoError(t, err)
	defer j.end()
	chooser, err := newChooser(&sampling{}, 1)
	require.NoError(t, err)
	slow := &heldReader{make(chan struct{}), make(chan struct{})}
	sees := &text{prompt: []int{1, 2}, logprobs: -1, each: func(position int, _ []float32) {
		if <-slow.held; position == 1 {
			close(slow.free)
		}
	}}
	sees.reader = &heldReader{make(chan struct{}), slow.free}
	ended := make(chan error, 1)
	go func() {
		ended <- j.run(t.Context(), []*text{{prompt: []int{1}, max: 1, chooser: chooser, logprobs: -1, reader: slow}, sees}, nil)
	}()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(time.Minute):
		t.Fatal("the engine waits for a reader")
	}
}
