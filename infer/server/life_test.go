package server

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"expertfs/infer/server/scripted"

	"github.com/stretchr/testify/require"
)

// mounted is an engine whose files may vanish.
type mounted struct {
	*model
	gone *atomic.Bool
}

func (m mounted) Check(context.Context) error {
	if m.gone.Load() {
		return errors.New("transport endpoint is not connected")
	}
	return nil
}

func TestHealthTellsTheState(t *testing.T) {
	m := &model{says: "x<|return|>"}
	s := newServer(t, m)
	var gone atomic.Bool
	back := make(chan struct{})
	s.Reopen = func(context.Context, Engine) (Engine, error) {
		if gone.Load() {
			return nil, errors.New("still gone")
		}
		<-back
		return mounted{m, &gone}, nil
	}
	server := newHTTP(t, s)
	health := func() (int, string) {
		resp, err := http.Get(server.URL + "/health")
		require.NoError(t, err)
		defer resp.Body.Close()
		state, _ := s.life.state()
		return resp.StatusCode, state
	}
	is := func(status int, state string) {
		t.Helper()
		got, name := health()
		require.Equal(t, status, got)
		require.Equal(t, state, name)
	}
	is(503, loading)
	answered := make(chan int, 1)
	go func() { // waits until the model is loaded
		resp, err := http.Post(server.URL+"/v1/completions", "application/json", jsonBody(`{"prompt": "x"}`))
		if err != nil {
			answered <- 0
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	soon(t, s.Busy)
	s.Ready(mounted{m, &gone})
	require.Equal(t, 200, <-answered)
	is(200, ready)

	gone.Store(true)
	is(503, failed)
	status, answer := post(t, server, "/v1/completions", `{"prompt": "x"}`)
	require.Equal(t, 503, status)
	require.Contains(t, answer, "model_unavailable")
	gone.Store(false)
	close(back)
	soon(t, func() bool { status, _ := health(); return status == 200 })
	status, _ = post(t, server, "/v1/completions", `{"prompt": "x"}`)
	require.Equal(t, 200, status)

	s.Drain()
	is(503, draining)
	status, answer = post(t, server, "/v1/completions", `{"prompt": "x"}`)
	require.Equal(t, 503, status)
	require.Contains(t, answer, "shutting down")
}

// An engine that fails as soon as it is back is opened anew once more, also before the
// goroutine that has opened it is done.
func TestEngineFailsAsSoonAsItIsBack(t *testing.T) {
	m := &model{says: "x<|return|>"}
	s := newServer(t, m)
	opened := make(chan Engine, 1)
	s.Reopen = func(context.Context, Engine) (Engine, error) {
		var gone atomic.Bool
		e := mounted{m, &gone}
		opened <- e
		return e, nil
	}
	s.Handler()
	s.life.opening = true // as reopen has it when it calls Ready
	var gone atomic.Bool
	back := mounted{m, &gone}
	s.Ready(back)
	s.life.fail(back, errors.New("gone again"))
	select {
	case e := <-opened:
		soon(t, func() bool { return s.life.current() == e })
	case <-time.After(time.Minute):
		t.Fatal("nobody opens the engine anew")
	}
	state, err := s.life.state()
	require.NoError(t, err)
	require.Equal(t, ready, state)
	s.life.fail(back, errors.New("told too late"))
	state, _ = s.life.state()
	require.Equal(t, ready, state, "an engine that is not used any more says nothing of the present one")
}

// faulty is an engine with a fault of ours.
type faulty struct{ *scripted.Engine }

func (faulty) Vocab() int { panic(http.ErrAbortHandler) } // of which net/http does not write

// A request that ends by a fault of the program leaves its place in the queue.
func TestFaultsTakeNoPlaces(t *testing.T) {
	m := &model{says: "x<|return|>"}
	s := newServer(t, m)
	server := newHTTP(t, s)
	s.Ready(faulty{m.Engine})
	for path, body := range map[string]string{
		"chat/completions": `{"messages": [{"role": "user", "content": "x"}]}`,
		"messages":         `{"max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}`,
		"responses":        `{"input": "x"}`,
		"completions":      `{"prompt": "x"}`,
	} {
		_, err := http.Post(server.URL+"/v1/"+path, "application/json", jsonBody(body))
		require.Error(t, err, path)
		soon(t, func() bool { return !s.Busy() })
	}
}
