package server

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPathsThatClientsPutTogether have a slash too many, or /v1 twice.
func TestPathsThatClientsPutTogether(t *testing.T) {
	server, _ := start(t, &model{says: "<|channel|>final<|message|>ok<|return|>"})
	for _, path := range []string{"/v1//chat/completions", "//v1/chat/completions", "/v1/chat/completions/", "/v1/v1/chat/completions", "//chat//completions//"} {
		c := postOK[chatCompletion](t, server, path, `{"messages": [{"role": "user", "content": "x"}]}`)
		require.Equal(t, "ok", *c.Choices[0].Message.Content, path)
	}
	status, answer := post(t, server, "/v1/v1/messages/", `{}`)
	require.Equal(t, 400, status)
	require.Contains(t, answer, `"type":"error"`, "in the form of its endpoint")
	status, _ = post(t, server, "/v1/nothing//", `{}`)
	require.Equal(t, 404, status)
}

func TestCompressedRequestsAreNamed(t *testing.T) {
	server, _ := start(t, &model{says: "ok"})
	r, err := http.NewRequest(http.MethodPost, server.URL+"/v1/completions", strings.NewReader("\x1f\x8b"))
	require.NoError(t, err)
	r.Header.Set("Content-Encoding", "gzip")
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusUnsupportedMediaType, resp.StatusCode)
	require.Contains(t, string(data), "Content-Encoding: gzip")
}

// TestRequestIDs looks where client libraries do.
func TestRequestIDs(t *testing.T) {
	server, _ := start(t, &model{says: "ok"})
	ask := func(id string) string {
		r, err := http.NewRequest(http.MethodGet, server.URL+"/nothing", nil)
		require.NoError(t, err)
		if id != "" {
			r.Header.Set("X-Request-Id", id)
		}
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, resp.Header.Get("X-Request-Id"), resp.Header.Get("Request-Id"))
		return resp.Header.Get("X-Request-Id")
	}
	require.Regexp(t, "^req_[0-9a-f]{24}$", ask(""))
	require.NotEqual(t, ask(""), ask(""))
	require.Equal(t, "mine-1", ask("mine-1"))
	require.Regexp(t, "^req_", ask("not one"))
}
