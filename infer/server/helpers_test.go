package server

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"expertfs/infer/harmony"
	"expertfs/infer/server/scripted"
	"expertfs/infer/tokenizer"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

// model is a scripted engine and what a test wants to know of it.
type model struct {
	*scripted.Engine
	says   string        // the tokens to generate, special ones by name
	before chan struct{} // if not nil, received from before each token
	err    error
}

// start serves a scripted model.
func start(t *testing.T, m *model) (*httptest.Server, *Server) {
	t.Helper()
	s := newServer(t, m)
	server := newHTTP(t, s)
	s.Ready(m.Engine)
	return server, s
}

// newServer returns a server of m with the tokenizer of the published models.
func newServer(t *testing.T, m *model) *Server {
	t.Helper()
	tokens := tokenizer.O200kHarmony()
	chat, err := harmony.NewEncoding(tokens)
	require.NoError(t, err)
	m.Engine = &scripted.Engine{Tokens: tokens, Say: scripted.Says(m.says), Room: 1000, Err: m.err}
	if m.before != nil {
		m.Before = func(ctx context.Context) error {
			select {
			case <-m.before:
			case <-ctx.Done():
			}
			return ctx.Err()
		}
	}
	return &Server{
		Model: "test", Tokens: tokens, Chat: chat, Waiting: 4, Patience: time.Minute, Comments: time.Minute, Retry: time.Millisecond,
		System: func(e harmony.Effort, functions bool) []harmony.Message {
			return []harmony.Message{harmony.SystemContent{Effort: e, Date: "2025-06-28", Functions: functions}.Message()}
		},
		Log: slog.New(slog.DiscardHandler),
	}
}

// newHTTP serves s until the test ends.
func newHTTP(t *testing.T, s *Server) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return server
}

func jsonBody(text string) io.Reader { return strings.NewReader(text) }

// post sends body and returns the status and the answer.
func post(t *testing.T, server *httptest.Server, path, body string) (int, string) {
	t.Helper()
	resp, err := http.Post(server.URL+path, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(data)
}

// postOK is post for a request that must succeed; it decodes the answer.
func postOK[T any](t *testing.T, server *httptest.Server, path, body string) T {
	t.Helper()
	status, answer := post(t, server, path, body)
	require.Equal(t, http.StatusOK, status, answer)
	var v T
	require.NoError(t, json.Unmarshal([]byte(answer), &v))
	return v
}

// chat asks for a chat completion.
func chat(t *testing.T, server *httptest.Server, fields string) chatChoiceOut {
	t.Helper()
	c := postOK[chatCompletion](t, server, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], `+fields+`}`)
	require.Len(t, c.Choices, 1)
	return c.Choices[0]
}

// events reads a stream to its end. It returns the events and the data of the
// last one as text.
func events[T any](t *testing.T, server *httptest.Server, path, body string) (all []T, last string) {
	t.Helper()
	resp, err := http.Post(server.URL+path, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	require.Equal(t, "no", resp.Header.Get("X-Accel-Buffering"))
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		text, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		last = text
		if strings.HasPrefix(text, "{") {
			var v T
			require.NoError(t, json.Unmarshal([]byte(text), &v))
			all = append(all, v)
		}
	}
	require.NoError(t, lines.Err())
	return all, last
}

// count is how many requests have a place.
func (q *queue) count() int {
	places, _ := q.state()
	return places
}
