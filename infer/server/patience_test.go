package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// pipes is a listener whose connections have no buffers: the server cannot
// write what the client does not read.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A client that stalls loses its connection and its place in the queue,
// whatever it was to send or to read.
func TestStalledClients(t *testing.T) {
	m := &model{says: strings.Repeat("understanding ", 900)} // more than the server buffers
	s := newServer(t, m)
	s.Patience = time.Millisecond
	closed := make(chan struct{})
	listener := &pipes{make(chan net.Conn), make(chan struct{})}
	handler := s.Handler()
	s.Ready(m.Engine)
	server := &http.Server{Handler: handler, ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()

	const completions = "/v1/completions HTTP/1.1"
	for name, c := range map[string]struct {
		head    string // behind the method, and before the header Host
		body    string
		missing int // bytes of the body that are not sent
		runs    bool
	}{
		"whole answer": {completions, `{"prompt": "x", "max_tokens": 900}`, 0, true},
		"stream":       {completions, `{"prompt": "x", "max_tokens": 900, "stream": true}`, 0, true},
		"error":        {completions, `{"prompt": ""}`, 0, false},
		"half a body":  {completions, `{"prompt": `, 5, false},
		"no endpoint":  {"/nothing HTTP/1.1", `{"prompt": `, 5, false},
		"compressed":   {completions + "\r\nContent-Encoding: gzip", "", 5, false},
	} {
		before := m.LastPrompt()
		client, accepted := net.Pipe()
		listener.conns <- accepted
		// One write, so that a slow test is not taken for a slow client.
		_, err := fmt.Fprintf(client, "POST %s\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", c.head, len(c.body)+c.missing, c.body)
		require.NoError(t, err)
		select {
		case <-closed:
		case <-time.After(10 * time.Minute):
			t.Fatalf("%s: the connection is still open", name)
		}
		if name != "stream" { // it may fail with its headers, before its turn
			require.Equal(t, c.runs, !sameSlice(before, m.LastPrompt()), name)
		}
		soon(t, func() bool { return s.queue.count() == 0 })
		require.NoError(t, client.Close())
	}
	require.NoError(t, server.Close())
	require.ErrorIs(t, <-ended, http.ErrServerClosed)
}

// withDeadlines is a recorder that pretends to have a connection, and tells of
// the deadlines of its reads.
type withDeadlines struct {
	*httptest.ResponseRecorder
	reads func(time.Time)
}

func (w withDeadlines) SetReadDeadline(t time.Time) error {
	if w.reads != nil {
		w.reads(t)
	}
	return nil
}
func (withDeadlines) SetWriteDeadline(time.Time) error { return nil }

// Clients that announce a large body, or do not say how large it is, and send none keep
// those waiting no longer that have one.
func TestStalledBodiesKeepNobodyWaiting(t *testing.T) {
	m := &model{says: "ok<|return|>"}
	s := newServer(t, m)
	s.Patience = time.Hour
	server := newHTTP(t, s)
	s.Ready(m.Engine)
	for _, length := range []string{"Content-Length: 4000000", "Transfer-Encoding: chunked"} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, conn.Close()) })
		_, err = fmt.Fprintf(conn, "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n%s\r\n\r\n", length)
		require.NoError(t, err)
		line, err := bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, line, "100 Continue") // the server wants the body
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, body := range []string{`{"prompt": "x"}`, `{"prompt": "x", "user": "` + strings.Repeat("x", 2*largeBody) + `"}`} {
		for _, r := range []io.Reader{strings.NewReader(body), io.MultiReader(strings.NewReader(body))} { // of known length, and not
			q, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/v1/completions", r)
			require.NoError(t, err)
			resp, err := http.DefaultClient.Do(q)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusOK, resp.StatusCode)
		}
	}
}

// A large body that waits while another is read has all of its time when its turn comes.
func TestTurnOfALargeBody(t *testing.T) {
	m := &model{says: "ok<|return|>"}
	s := newServer(t, m)
	handler := s.Handler()
	s.Ready(m.Engine)
	var last atomic.Pointer[time.Time]
	first := make(chan struct{})
	w := withDeadlines{httptest.NewRecorder(), func(d time.Time) {
		if !d.IsZero() {
			last.Store(&d)
		}
	}}
	long := `{"prompt": "x", "user": "` + strings.Repeat("x", 2*largeBody) + `"}`
	body := io.MultiReader(strings.NewReader(long[:largeBody-1]), readerFunc(func(p []byte) (int, error) {
		close(first)
		return copy(p, long[largeBody-1:largeBody]), io.EOF
	}), strings.NewReader(long[largeBody:]))
	s.large <- struct{}{} // another is read
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/completions", body))
	}()
	<-first
	turn := time.Now()
	<-s.large
	<-answered
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.False(t, last.Load().Before(turn.Add(s.Patience)), "the deadline is that of the beginning")
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestLateBody(t *testing.T) {
	s := newServer(t, &model{})
	for _, begun := range []string{"", `{"prompt"`, `{"prompt": "x`, `{"max_tokens": 1`, `{"stop": ["x"`} {
		w := withDeadlines{ResponseRecorder: httptest.NewRecorder()}
		body := io.MultiReader(strings.NewReader(begun), iotest.ErrReader(fmt.Errorf("read: %w", os.ErrDeadlineExceeded)))
		s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/completions", body))
		require.Equal(t, http.StatusRequestTimeout, w.Code, begun)
		require.Contains(t, w.Body.String(), "did not arrive within 1m0s")
	}
}

// sameSlice tells whether two prompts are of one request.
func sameSlice(a, b []int) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }
