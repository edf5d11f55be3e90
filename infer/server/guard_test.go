package server

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ask sends a request with headers, "Host" among them.
func ask(t *testing.T, method, url string, headers map[string]string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	req.Host = headers["Host"]
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp
}

// A page that makes a name of its own stand for the loopback address is refused.
func TestForeignHost(t *testing.T) {
	m := &model{}
	s := newServer(t, m)
	s.Guard.Hosts = []string{"proxy.example"}
	server := newHTTP(t, s)
	s.Ready(m.Engine)
	for host, want := range map[string]int{
		"evil.example": 403, "evil.example:80": 403, "127.0.0.1.evil.example": 403, "localhost.evil.example": 403, "8.8.8.8": 403,
		"localhost": 200, "LOCALHOST:1": 200, "x.localhost": 200, "localhost.": 200, "127.0.0.1:8080": 200, "127.8.8.8": 200, "[::1]:80": 200, "proxy.example": 200,
	} {
		for _, path := range []string{"/v1/models", "/health", "/"} {
			status := ask(t, http.MethodGet, server.URL+path, map[string]string{"Host": host, "Sec-Fetch-Site": "same-origin"}).StatusCode
			require.Equal(t, want == 403, status == 403, "%s %s", host, path)
		}
	}
}

func TestKeys(t *testing.T) {
	m := &model{}
	s := newServer(t, m)
	s.Guard.Keys = []string{"one", "two"}
	server := newHTTP(t, s)
	s.Ready(m.Engine)
	status := func(path, header, value string) int {
		return ask(t, http.MethodGet, server.URL+path, map[string]string{header: value}).StatusCode
	}
	require.Equal(t, 401, status("/v1/models", "X", ""))
	require.Equal(t, 401, status("/v1/models", "Authorization", "Bearer three"))
	require.Equal(t, 401, status("/v1/models", "Authorization", "one"))
	require.Equal(t, 401, status("/metrics", "X", ""))
	require.Equal(t, 200, status("/v1/models", "Authorization", "bearer two"))
	require.Equal(t, 200, status("/v1/models", "X-Api-Key", "one"))
	require.Equal(t, 200, status("/health", "X", ""))
}

func TestOrigins(t *testing.T) {
	m := &model{}
	s := newServer(t, m)
	s.Guard.Origins = []string{"https://app.example"}
	s.Guard.Keys = []string{"one"}
	server := newHTTP(t, s)
	s.Ready(m.Engine)
	const page = "https://app.example"
	pre := ask(t, http.MethodOptions, server.URL+"/v1/chat/completions", map[string]string{
		"Origin": page, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type",
	})
	require.Equal(t, http.StatusNoContent, pre.StatusCode)
	require.Equal(t, page, pre.Header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "authorization,content-type", pre.Header.Get("Access-Control-Allow-Headers"))
	get := ask(t, http.MethodGet, server.URL+"/v1/models", map[string]string{"Origin": page, "Authorization": "Bearer one", "Sec-Fetch-Site": "cross-site"})
	require.Equal(t, 200, get.StatusCode)
	require.Equal(t, page, get.Header.Get("Access-Control-Allow-Origin"))
	other := ask(t, http.MethodOptions, server.URL+"/v1/chat/completions", map[string]string{"Origin": "https://evil.example"})
	require.Equal(t, 403, other.StatusCode)
	require.Empty(t, other.Header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, `the origin "https://evil.example"`, pageOf("https://evil.example"))
	require.Equal(t, "another origin", pageOf(""))
}

// Two clients send prompts that are far too long, and leave.
func TestHugePromptsCostLittle(t *testing.T) {
	m := &model{}
	s := newServer(t, m)
	m.Room = 131072
	server := newHTTP(t, s)
	s.Ready(m.Engine)
	s.Tokens.Encode("unpacks the vocabulary")
	body := `{"messages": [{"role": "user", "content": "` + strings.Repeat("a", 7_900_000) + `"}]}`
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 2 {
		status, answer := post(t, server, "/v1/chat/completions", body)
		require.Equal(t, 400, status)
		require.Contains(t, answer, "context_length_exceeded")
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(200<<20), "1.8 GB when they were encoded to their ends")
}

// A stream begins at once, and says now and then that it still lives.
func TestStreamBeginsAtOnce(t *testing.T) {
	for path, fields := range map[string]string{
		"chat/completions": `"messages": [{"role": "user", "content": "x"}]`, "completions": `"prompt": "x"`,
		"responses": `"input": "x"`, "messages": `"messages": [{"role": "user", "content": "x"}]`,
	} {
		m := &model{says: "x<|return|>", before: make(chan struct{})}
		s := newServer(t, m)
		s.Comments = 4 * time.Millisecond
		server := newHTTP(t, s)
		s.Ready(m.Engine)
		resp, err := http.Post(server.URL+"/v1/"+path, "application/json",
			strings.NewReader(`{"stream": true, `+fields+`}`))
		require.NoError(t, err)
		var got strings.Builder
		for !strings.Contains(got.String(), ": waiting\n\n: waiting\n\n") {
			b := make([]byte, 100)
			n, err := resp.Body.Read(b)
			require.NoError(t, err, path)
			got.Write(b[:n])
		}
		close(m.before)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
}
