package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkStructuredDecode writes free text and text bound by schemas in turn, with
// the model in the folder GPTOSS_MODEL or else the tiny one, through the server. It
// reports a token's time in the median, and the share of the free text's speed that
// bound text has. No part of these schemas follows by necessity: what would, costs
// no step at all.
func BenchmarkStructuredDecode(b *testing.B) {
	dir := os.Getenv("GPTOSS_MODEL")
	if dir == "" {
		dir = tinyTree(b)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var log syncBuffer
	root := newRoot()
	root.SetErr(&log)
	root.SetArgs([]string{"serve", "--model", dir, "--port", "0", "--alias", "x", "--ctx-size", "1024", "--grace", "10ms"})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	defer func() {
		cancel()
		require.NoError(b, <-ended)
	}()
	url := "http://" + listening(b, &log, "x")
	token := func(schema string) float64 {
		resp, err := http.Post(url+"/v1/completions", "application/json", strings.NewReader(`{"prompt": "In the beginning", "max_tokens": 60, "json_schema": `+schema+`}`))
		require.NoError(b, err)
		defer resp.Body.Close()
		var answer struct {
			Timings struct {
				Each float64 `json:"predicted_per_token_ms"`
			} `json:"timings"`
		}
		require.NoError(b, json.NewDecoder(resp.Body).Decode(&answer))
		require.Equal(b, http.StatusOK, resp.StatusCode)
		return answer.Timings.Each
	}
	schemas := map[string]string{
		"free":    `null`,
		"string":  `{"type": "string", "minLength": 60000}`,
		"pattern": `{"type": "string", "pattern": "^[A-Za-z ]{900}$"}`,
		"numbers": `{"type": "array", "items": {"type": "number"}, "minItems": 5000}`,
	}
	names := []string{"free", "string", "pattern", "numbers"}
	times := make(map[string][]float64)
	for _, name := range names {
		token(schemas[name])
	}
	for b.Loop() {
		for _, name := range names {
			times[name] = append(times[name], token(schemas[name]))
		}
	}
	median := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
	b.ReportMetric(0, "ns/op")
	for _, name := range names {
		b.ReportMetric(median(times[name]), name+"-ms/token")
		b.ReportMetric(median(times["free"])/median(times[name]), name+"-share")
	}
}
