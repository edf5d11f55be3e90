package web

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"expertfs"

	"github.com/stretchr/testify/require"
)

// base is where this machine reaches a server.
func base(s *Server) string {
	return fmt.Sprintf("http://127.0.0.1:%d/", s.listen.Addr().(*net.TCPAddr).Port)
}

// ask sends a request to a server.
func ask(t *testing.T, s *Server, method, path, body string, header ...string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequest(method, base(s)+strings.TrimPrefix(path, "/"), strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(got)
}

const lru = `{"policy":"lru"}`

func TestWhoMayAsk(t *testing.T) {
	m := newMount(2, 4)
	s := listen(t, m, Options{})
	for _, host := range []string{"localhost", "LOCALHOST:1", "a.localhost", "127.0.0.1", "127.9.9.9:80", "[::1]:80"} {
		status, text := ask(t, s, "GET", "/metrics", "", "Host", host)
		require.Equal(t, http.StatusOK, status, "%s: %s", host, text)
	}
	for _, host := range []string{"evil.example", "localhost.evil.example", "10.0.0.1", "127.0.0.1.evil.example"} {
		for _, path := range []string{"/", "/metrics", "/events"} {
			status, _ := ask(t, s, "GET", path, "", "Host", host)
			require.Equal(t, http.StatusForbidden, status, "%s%s", host, path)
		}
	}
	status, _ := ask(t, s, "GET", "/nothing", "")
	require.Equal(t, http.StatusNotFound, status)
	status, _ = ask(t, s, "DELETE", "/metrics", "")
	require.Equal(t, http.StatusMethodNotAllowed, status)
}

// deadlines keeps until when a request is read.
type deadlines struct {
	*httptest.ResponseRecorder
	read time.Time
}

func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.read = at
	return nil
}

// TestBodiesHaveADeadline: the server reads what a client has told of, also where the
// request is refused, and not for good.
func TestBodiesHaveADeadline(t *testing.T) {
	s := listen(t, newMount(2, 4), Options{Key: "secret"})
	for _, path := range []string{"/nothing", "/set", "/metrics"} {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		s.http.Handler.ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader("{")))
		require.GreaterOrEqual(t, w.Code, 400, path)
		require.False(t, w.read.IsZero(), path)
	}
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	s.http.Handler.ServeHTTP(w, httptest.NewRequest("GET", "/health", nil))
	require.True(t, w.read.IsZero(), "it would end a stream")
}

func TestWhoMayChange(t *testing.T) {
	m := newMount(2, 4)
	s := listen(t, m, Options{})
	own := []string{"X-Expertfs", "1"}
	for _, bad := range [][]string{
		nil,
		{"X-Expertfs", "1", "Origin", "https://evil.example"},
		{"X-Expertfs", "1", "Sec-Fetch-Site", "cross-site"},
		{"X-Expertfs", "1", "Sec-Fetch-Site", "same-site"},
		{"X-Expertfs", "1", "Host", "evil.example"},
	} {
		status, text := ask(t, s, "POST", "/set", lru, bad...)
		require.Equal(t, http.StatusForbidden, status, "%v: %s", bad, text)
	}
	for _, bad := range []string{"", "{}", `{"policy":"a","ram":"b"}`, `{"nothing":"a"}`, `{"policy":"bad"}`, `{"policy":"` + strings.Repeat("a", 8000) + `"}`} {
		status, text := ask(t, s, "POST", "/set", bad, own...)
		require.Equal(t, http.StatusBadRequest, status, "%s: %s", bad, text)
	}
	require.Empty(t, m.set)
	for _, good := range [][]string{own, {"X-Expertfs", "1", "Sec-Fetch-Site", "same-origin"}, {"X-Expertfs", "1", "Origin", strings.TrimSuffix(s.URL(), "/")}} {
		status, text := ask(t, s, "POST", "/set", lru, good...)
		require.Equal(t, http.StatusNoContent, status, "%v: %s", good, text)
	}
	require.Equal(t, []string{"policy=lru", "policy=lru", "policy=lru"}, m.set)

	readOnly := listen(t, m, Options{Writable: func() error { return errors.New("the mount is read-only") }})
	status, text := ask(t, readOnly, "POST", "/set", lru, own...)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, text, "the mount is read-only")
}

func TestKey(t *testing.T) {
	s := listen(t, newMount(2, 4), Options{Key: "sesame"})
	status, _ := ask(t, s, "GET", "/", "")
	require.Equal(t, http.StatusOK, status, "the page itself can ask for the key")
	for _, path := range []string{"/metrics", "/events"} {
		for _, header := range [][]string{nil, {"Authorization", "Bearer wrong"}, {"Authorization", "Bearer"}, {"Authorization", "sesame"}} {
			status, _ := ask(t, s, "GET", path, "", header...)
			require.Equal(t, http.StatusUnauthorized, status)
		}
	}
	status, text := ask(t, s, "GET", "/metrics", "", "Authorization", "bearer sesame")
	require.Equal(t, http.StatusOK, status)
	require.NotContains(t, text, "sesame")
	status, _ = ask(t, s, "POST", "/set", lru, "X-Expertfs", "1")
	require.Equal(t, http.StatusUnauthorized, status)
	status, _ = ask(t, s, "POST", "/set", lru, "X-Expertfs", "1", "Authorization", "Bearer sesame")
	require.Equal(t, http.StatusNoContent, status)
}

// TestBeyondThisMachine: others see, and change nothing without a key.
func TestBeyondThisMachine(t *testing.T) {
	m := newMount(2, 4)
	s := listenAt(t, "0.0.0.0:0", m, Options{})
	require.Contains(t, s.Warning(), "can change nothing")
	status, text := ask(t, s, "POST", "/set", lru, "X-Expertfs", "1")
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, text, "--http-key-file")
	require.Empty(t, m.set)
	require.Empty(t, listen(t, m, Options{}).Warning())
	require.Empty(t, listenAt(t, "0.0.0.0:0", m, Options{Key: "a"}).Warning())
}

func TestOwnerOfAConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	own, other := netip.MustParseAddrPort(c.LocalAddr().String()), netip.MustParseAddrPort(l.Addr().String())
	uid, err := userOf(own, other, "/proc/net/tcp6", "/proc/net/tcp")
	require.NoError(t, err)
	require.Equal(t, os.Geteuid(), uid)
	_, err = userOf(own, own, "/proc/net/tcp6", "/proc/net/tcp")
	require.ErrorIs(t, err, errPeer)

	table := filepath.Join(t.TempDir(), "tcp6")
	require.NoError(t, os.WriteFile(table, []byte("  sl  local_address remote_address st\n"+
		"   0: 00000000000000000000000001000000:1F90 00000000000000000000000001000000:A1B2 01 00000000:00000000 00:00000000 00000000  1000        0 1\n"+
		"   1: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000200007F:A1B2 01 00000000:00000000 00:00000000 00000000  1001        0 1\n"), 0o644))
	uid, err = userOf(netip.MustParseAddrPort("[::1]:8080"), netip.MustParseAddrPort("[::1]:41394"), "/nonexistent", table)
	require.NoError(t, err)
	require.Equal(t, 1000, uid)
	uid, err = userOf(netip.MustParseAddrPort("127.0.0.1:8080"), netip.MustParseAddrPort("127.0.0.2:41394"), table)
	require.NoError(t, err)
	require.Equal(t, 1001, uid)
}

func TestPasswordsAreNotShown(t *testing.T) {
	for name, want := range map[string]string{
		"/data/a?b#c": "/data/a?b#c", "embed:tiny": "embed:tiny", "ollama:gpt-oss:20b": "ollama:gpt-oss:20b",
		"s3://key:secret@bucket/p?token=1": "s3://key:xxxxx@bucket/p", "hf://openai/gpt-oss-20b@main": "hf://openai/gpt-oss-20b@main",
	} {
		require.Equal(t, want, shown(&expertfs.Stats{Checkpoint: name}).Checkpoint)
	}
}

// stream opens a stream of events.
func stream(t *testing.T, s *Server) (next func() (kind, data string), end func()) {
	t.Helper()
	answer, err := http.Get(s.URL() + "events")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	lines := bufio.NewReader(answer.Body)
	line := func(field string) string {
		text, err := lines.ReadString('\n')
		require.NoError(t, err)
		rest, ok := strings.CutPrefix(strings.TrimSuffix(text, "\n"), field)
		require.True(t, ok, "%q", text)
		return rest
	}
	next = func() (kind, data string) {
		kind, data = line("event: "), line("data: ")
		line("")
		return kind, data
	}
	return next, func() { answer.Body.Close() }
}

func TestEvents(t *testing.T) {
	m := newMount(2, 4)
	s := listen(t, m, Options{})
	next, end := stream(t, s)
	defer end()
	kind, data := next()
	require.Equal(t, "welcome", kind)
	var w welcome
	require.NoError(t, json.Unmarshal([]byte(data), &w))
	require.Len(t, w.Places, 8)
	require.Equal(t, m.live.All[5].Uses, w.Uses[5])
	require.Contains(t, w.Policies, "lru")
	require.Empty(t, w.ReadOnly)

	m.use(1, 1)
	await := func(want string) string {
		for {
			if kind, data := next(); kind == want {
				return data
			}
		}
	}
	var change []int64
	require.NoError(t, json.Unmarshal([]byte(await("experts")), &change))
	require.Equal(t, []int64{5, 'r', w.Uses[5] + 1, int64(w.Heat[5])}, change)
	var f figures
	require.NoError(t, json.Unmarshal([]byte(await("stats")), &f))
	require.Len(t, f.Tokens, 2)

	m.do(func() { m.err = errors.New("stale") })
	require.Contains(t, await("gone"), "stale")
	m.do(func() { m.err = nil })
	await("welcome")
	m.do(func() { m.stats.PID++ })
	await("welcome") // it is another mount
}

// TestHealth: a probe is told how the mount is at that moment.
func TestHealth(t *testing.T) {
	m := newMount(2, 4)
	open, keyed := listen(t, m, Options{}), listen(t, m, Options{Key: "sesame"})
	for _, s := range []*Server{open, keyed} {
		for range 2 {
			m.do(func() { m.err = nil })
			status, text := ask(t, s, "GET", "/health", "")
			require.Equal(t, http.StatusOK, status, text)
			require.JSONEq(t, `{"status":"ok"}`, text)
			m.do(func() { m.err = &expertfs.DeadMountError{Point: "/mnt/secret"} })
			status, text = ask(t, s, "GET", "/health", "")
			require.Equal(t, http.StatusServiceUnavailable, status)
			require.Equal(t, s == open, strings.Contains(text, "/mnt/secret is a dead mount"), text)
		}
	}
}

// TestNobodyLooksWithoutAPage: the mount is looked at while a page is open, once for
// all pages.
func TestNobodyLooksWithoutAPage(t *testing.T) {
	m := newMount(2, 4)
	s := listen(t, m, Options{})
	require.Zero(t, m.looks)
	for range 2 { // it ends, and begins again
		next, end := stream(t, s)
		next()
		end()
		require.Eventually(t, func() bool {
			s.hub.mu.Lock()
			defer s.hub.mu.Unlock()
			return !s.hub.looking
		}, patience, 1e6)
	}
	var last func() (string, string)
	for range mostPages {
		next, end := stream(t, s)
		defer end()
		last = next
	}
	last()
	status, text := ask(t, s, "GET", "/events", "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, text, "too many pages")
}
