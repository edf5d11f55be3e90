package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"expertfs/infer/harmony"
	"expertfs/infer/server"
	"expertfs/infer/server/scripted"
	"expertfs/infer/tokenizer"

	"github.com/stretchr/testify/require"
)

// systemd stands in for the service manager: it returns what it is told next.
func systemd(t *testing.T) (told func() string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "sd") // short: a socket's path has at most 107 bytes
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { socket.Close() })
	t.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "s"))
	return func() string {
		b := make([]byte, 100)
		require.NoError(t, socket.SetReadDeadline(time.Now().Add(time.Minute)))
		n, err := socket.Read(b)
		require.NoError(t, err)
		return string(b[:n])
	}
}

// A server that is to end finishes what it computes and takes nothing new. It
// tells systemd when it is ready and when it ends.
func TestServeEndsGracefully(t *testing.T) {
	told := systemd(t)
	tokens := tokenizer.O200kHarmony()
	chat, err := harmony.NewEncoding(tokens)
	require.NoError(t, err)
	var log syncBuffer
	s := &server.Server{
		Model: "scripted", Tokens: tokens, Chat: chat, Waiting: 4, Patience: time.Minute, Comments: time.Minute,
		System: func(harmony.Effort, bool) []harmony.Message { return nil }, Log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	goOn := make(chan struct{})
	engine := &scripted.Engine{Tokens: tokens, Room: 1000, Say: scripted.Says("<|channel|>final<|message|>To the end.<|return|>"), Before: func(ctx context.Context) error {
		select {
		case <-goOn:
		case <-ctx.Done():
		}
		return ctx.Err()
	}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := serveOptions{host: "127.0.0.1", alias: "scripted", grace: time.Minute}
	ended := make(chan error, 1)
	handler := s.Handler()
	go func() {
		whole := &service{
			serveOptions: &o, handler: handler, server: s, load: func() error { s.Ready(engine); return nil },
			base: t.Context(), cancel: func() {}, log: s.Log,
		}
		ended <- whole.run(ctx)
	}()
	require.Equal(t, "READY=1", told())
	url := "http://" + listening(t, &log, "scripted")
	const request = `{"stream": true, "messages": [{"role": "user", "content": "x"}]}`
	stream, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(request))
	require.NoError(t, err)
	defer stream.Body.Close()

	cancel()
	require.Equal(t, "STOPPING=1", told())
	refused := func(method, path, body, want string) {
		require.Eventually(t, func() bool { // systemd is told first
			req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
			require.NoError(t, err)
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			return resp.StatusCode == http.StatusServiceUnavailable && strings.Contains(string(text), want)
		}, 5*time.Minute, time.Millisecond)
	}
	refused(http.MethodGet, "/health", "", "draining")
	refused(http.MethodPost, "/v1/completions", `{"prompt": "x"}`, "shutting down")
	close(goOn)
	text, err := io.ReadAll(stream.Body)
	require.NoError(t, err)
	require.Contains(t, string(text), `"content":" end"`)
	require.True(t, strings.HasSuffix(string(text), "data: [DONE]\n\n"))
	require.NoError(t, <-ended)
}

// certificate writes one for 127.0.0.1, with its key, and returns what trusts it.
func certificate(t *testing.T) (cert, key string, trusts *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	trusts = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	trusts.AddCert(parsed)
	return write("cert", "CERTIFICATE", der), write("key", "PRIVATE KEY", secret), trusts
}

// The command speaks TLS by files, and takes keys of a file. Beyond loopback it
// warns where there is none.
func TestServeTLSAndKeys(t *testing.T) {
	cert, key, trusts := certificate(t)
	keys := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(keys, []byte("# of the cook\n\n  starbuck \nstubb\n"), 0o600))
	const warning = "give an --api-key"
	serve := func(args ...string) (address string, log *syncBuffer) {
		log = &syncBuffer{}
		ctx, cancel := context.WithCancel(t.Context())
		root := newRoot()
		root.SetErr(log)
		root.SetArgs(append([]string{"serve", "--model", tinyTree(t), "--port", "0", "--alias", "whale", "--grace", "10ms"}, args...))
		ended := make(chan error, 1)
		go func() { ended <- root.ExecuteContext(ctx) }()
		t.Cleanup(func() {
			cancel()
			require.NoError(t, <-ended)
		})
		line := regexp.MustCompile(`url=(https?://\S+:\d+) model=whale\n`)
		require.Eventually(t, func() bool { return line.MatchString(log.String()) && strings.Contains(log.String(), "msg=ready") }, 5*time.Minute, time.Millisecond)
		return line.FindStringSubmatch(log.String())[1], log
	}
	url, log := serve("--tls-cert", cert, "--tls-key", key, "--api-key-file", keys, "--api-key", "ahab")
	require.True(t, strings.HasPrefix(url, "https://127.0.0.1:"))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusts}}}
	defer client.CloseIdleConnections()
	status := func(path, key string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		return resp.StatusCode
	}
	for key, want := range map[string]int{"starbuck": 200, "stubb": 200, "ahab": 200, "# of the cook": 401, "": 401, "flask": 401} {
		require.Equal(t, want, status("/v1/models", key), key)
	}
	require.Equal(t, 200, status("/health", ""))
	_, err := http.Get(url + "/health")
	require.ErrorContains(t, err, "unknown authority")
	require.NotContains(t, log.String(), warning)

	url, log = serve("--host", "0.0.0.0")
	require.Regexp(t, `^http://127\.0\.0\.1:\d+$`, url, "where a program of this machine finds it")
	require.Regexp(t, `every machine that reaches port \d+ of this one may .*`+warning, log.String())
	_, log = serve("--host", "0.0.0.0", "--api-key-file", keys)
	require.NotContains(t, log.String(), warning)
	_, log = serve()
	require.NotContains(t, log.String(), warning)
}
