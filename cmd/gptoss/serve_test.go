package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func removeFile(dir, name string) error { return os.Remove(filepath.Join(dir, name)) }

// syncBuffer is written by the server and read by the test.
type syncBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// TestServe starts the command, asks it, and ends it while it answers.
func TestServe(t *testing.T) {
	defer goleak.VerifyNone(t)
	defer http.DefaultClient.CloseIdleConnections()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log syncBuffer
	root := newRoot()
	root.SetErr(&log)
	root.SetArgs([]string{"serve", "--model", tinyTree(t), "--port", "0", "--alias", "whale", "--act", "f32", "--grace", "10ms"})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()

	url := "http://" + listening(t, &log, "whale")
	ask := func(path, body string) *http.Response {
		resp, err := http.Post(url+path, "application/json", strings.NewReader(body))
		require.NoError(t, err)
		return resp
	}
	require.Eventually(t, func() bool {
		resp, err := http.Get(url + "/health")
		require.NoError(t, err)
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, 5*time.Minute, time.Millisecond)
	resp := ask("/v1/chat/completions", `{"model": "whale", "temperature": 0, "messages": [{"role": "user", "content": "Tell me of the white whale"}]}`)
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	resp.Body.Close()
	require.Contains(t, string(answer), `"content":"they that the whale's boats were not the only way of the whale.`)

	// The answer is so long that it is still being computed at the end.
	resp = ask("/v1/completions", `{"prompt": "In the beginning", "stream": true, "max_tokens": 100000, "temperature": 2}`)
	defer resp.Body.Close()
	_, err = resp.Body.Read(make([]byte, 1))
	require.NoError(t, err)
	cancel()
	require.NoError(t, <-ended)
}

// listening returns the address at which a server says that it has a model.
func listening(t testing.TB, log *syncBuffer, model string) string {
	t.Helper()
	line := regexp.MustCompile(`url=http://(127\.0\.0\.1:\d+) model=` + model + `\n`)
	require.Eventually(t, func() bool { return line.MatchString(log.String()) }, 5*time.Minute, time.Millisecond)
	return line.FindStringSubmatch(log.String())[1]
}

// idle is a server without requests.
type idle struct{}

func (idle) Drain()     {}
func (idle) Busy() bool { return false }

// A client that stalls does not keep the server from ending.
func TestServeEndsWithoutItsClients(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log syncBuffer
	o := serveOptions{host: "127.0.0.1", alias: "whale", grace: time.Millisecond}
	entered := make(chan struct{})
	reads := func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		_, _ = io.ReadAll(r.Body)
	}
	ended := make(chan error, 1)
	go func() {
		s := &service{
			serveOptions: &o, handler: http.HandlerFunc(reads), server: idle{}, load: func() error { return nil },
			base: t.Context(), cancel: func() {}, log: slog.New(slog.NewTextHandler(&log, nil)),
		}
		ended <- s.run(ctx)
	}()

	client, err := net.Dial("tcp", listening(t, &log, "whale"))
	require.NoError(t, err)
	defer client.Close()
	_, err = io.WriteString(client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{")
	require.NoError(t, err)
	<-entered
	cancel()
	require.NoError(t, <-ended)
}

// TestServeErrors: what is wrong with the flags is said before anything is loaded or
// listens.
func TestServeErrors(t *testing.T) {
	dir := tinyTree(t)
	for want, args := range map[string][]string{
		`--tls-cert and --tls-key: open /nowhere/cert: no such file`:             {"--model", dir, "--tls-cert", "/nowhere/cert", "--tls-key", "/nowhere/key"},
		"--kv-ram 1000: must be":                                                 {"--model", dir, "--kv-ram", "1000"},
		`--kv-ram "much": want auto or a size`:                                   {"--model", dir, "--kv-ram", "much"},
		`--prefix-ram "much": want auto or a size`:                               {"--model", dir, "--prefix-ram", "much"},
		`--prefix-size "much": want auto or a size`:                              {"--model", dir, "--prefix-size", "much"},
		`--map-bytes "much": want auto or a size`:                                {"--model", dir, "--map-bytes", "much"},
		`--prefetch "x": want auto or off or on`:                                 {"--model", dir, "--prefetch", "x"},
		`--threads -1: want 1 to 1024, or 0 for all processors`:                  {"--model", dir, "--threads", "-1"},
		`--batch-size 100000: want 1 to 16384 tokens`:                            {"--model", dir, "--batch-size", "100000"},
		`--ctx-size -1: want 0 or more tokens`:                                   {"--model", dir, "--ctx-size", "-1"},
		`--log-level "loud": want debug, info, warn or error`:                    {"--model", dir, "--log-level", "loud"},
		`--log-format "xml": want text, json or auto`:                            {"--model", dir, "--log-format", "xml"},
		`--grace -1s: must be 0 or more`:                                         {"--model", dir, "--grace", "-1s"},
		`--allow-host "http://box"`:                                              {"--model", dir, "--allow-host", "http://box"},
		`--allow-host "box:80": want a name such as box.example, without a port`: {"--model", dir, "--allow-host", "box:80"},
		`--allow-origin "example.org": want * or an origin such as https://e`:    {"--model", dir, "--allow-origin", "example.org"},
		`--prefer-resident 1000: want 0 to 100 logits`:                           {"--model", dir, "--prefer-resident", "1000"},
		"no model given":    {},
		"--max-waiting":     {"--model", dir, "--max-waiting", "-1"},
		"--host and --port": {"--model", dir, "--host", "192.0.2.1"}, // an address for documentation
		"--system-message":  {"--model", dir, "--system-message", "x"},
		"--tls-key":         {"--model", dir, "--tls-cert", "x"},
		"--api-key-file":    {"--model", dir, "--api-key-file", "/nonexistent"},
		"--conversations 0": {"--model", dir, "--conversations", "0"},
	} {
		_, notes, err := runCommand(t, "", append([]string{"serve"}, args...)...)
		require.ErrorContains(t, err, want)
		require.NotContains(t, notes, "listening")
	}
}
