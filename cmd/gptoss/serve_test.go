package main

import (
	"context"
	"io"
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
	root.SetArgs([]string{"serve", "--model", tinyTree(t), "--port", "0", "--alias", "whale", "--act", "f32"})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()

	listening := regexp.MustCompile(`url=(http://127\.0\.0\.1:\d+) model=whale`)
	require.Eventually(t, func() bool { return listening.MatchString(log.String()) }, time.Minute, time.Millisecond)
	url := listening.FindStringSubmatch(log.String())[1]
	ask := func(path, body string) *http.Response {
		resp, err := http.Post(url+path, "application/json", strings.NewReader(body))
		require.NoError(t, err)
		return resp
	}
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

func TestServeErrors(t *testing.T) {
	dir := tinyTree(t)
	for want, args := range map[string][]string{
		"no model given":   {},
		"--max-waiting":    {"--model", dir, "--max-waiting", "-1"},
		"listen tcp":       {"--model", dir, "--host", "192.0.2.1"}, // an address for documentation
		"--system-message": {"--model", dir, "--system-message", "x"},
	} {
		_, _, err := runCommand(t, "", append([]string{"serve"}, args...)...)
		require.ErrorContains(t, err, want)
	}
}
