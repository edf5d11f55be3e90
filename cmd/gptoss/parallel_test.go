package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

// TestServeParallel asks alone and in company: the texts are the same, whatever else
// is computed.
func TestServeParallel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var log syncBuffer
	root := newRoot()
	root.SetErr(&log)
	root.SetArgs([]string{"serve", "--model", tinyTree(t), "--port", "0", "--alias", "whale", "--grace", "10ms", "--parallel", "4"})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	url := "http://" + listening(t, &log, "whale")

	ask := func(i int) []string {
		prompt := strings.Repeat("The whale is a fish of the sea. ", 1+7*(i%3)) + "And "
		body := fmt.Sprintf(`{"prompt": %q, "max_tokens": 40, "seed": %d, "temperature": 1.2, "n": %d}`, prompt, i, 1+i%2)
		resp, err := http.Post(url+"/v1/completions", "application/json", strings.NewReader(body))
		require.NoError(t, err)
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode, string(answer))
		var c struct {
			Choices []struct {
				Text string `json:"text"`
			} `json:"choices"`
		}
		require.NoError(t, json.Unmarshal(answer, &c))
		var texts []string
		for _, choice := range c.Choices {
			texts = append(texts, choice.Text)
		}
		require.Len(t, texts, 1+i%2)
		return texts
	}
	const requests = 8
	var alone [requests][]string
	for i := range requests {
		alone[i] = ask(i)
	}
	var together [requests][]string
	var group sync.WaitGroup
	for i := range requests {
		group.Go(func() { together[i] = ask(i) })
	}
	group.Wait()
	require.Equal(t, alone, together)
	require.Contains(t, log.String(), "texts share the model")
	require.Contains(t, log.String(), "parallel=4")
	http.DefaultClient.CloseIdleConnections()
	cancel()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(time.Minute):
		t.Fatal("the server does not end")
	}
}
