package server

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLlamaCompletion asks as the README of llama-server does.
func TestLlamaCompletion(t *testing.T) {
	m := &model{says: "Hello there,\nworld<|return|>"}
	server, s := start(t, m)
	o := postOK[llamaOutput](t, server, "/completion", `{"prompt": "Building a website", "n_predict": 128, "cache_prompt": true, "samplers": ["top_k"]}`)
	require.Equal(t, "Hello there,\nworld", o.Content)
	require.True(t, o.Stop)
	require.Equal(t, "eos", o.StopType)
	require.True(t, o.NewLine)
	require.Equal(t, "Building a website", o.Prompt)
	require.Equal(t, s.Model, o.Model)
	require.Equal(t, len(s.Tokens.Encode("Building a website")), o.Evaluated)
	require.Equal(t, o.Predicted, o.Timings.PredictN)
	require.Empty(t, o.Tokens)
	require.Nil(t, o.Probs)
	require.EqualValues(t, 128, o.Settings["n_predict"])

	o = postOK[llamaOutput](t, server, "/completion", `{"prompt": "x", "n_predict": 2, "return_tokens": true, "n_probs": 3}`)
	require.Equal(t, "limit", o.StopType)
	require.Equal(t, s.Tokens.Encode("Hello there,")[:2], o.Tokens)
	require.Len(t, o.Probs, 2)
	require.Equal(t, o.Tokens[0], o.Probs[0].ID)
	require.Len(t, o.Probs[0].Top, 3)
	require.Equal(t, o.Tokens[0], o.Probs[0].Top[0].ID)

	o = postOK[llamaOutput](t, server, "/v1/completion", `{"prompt": "x", "stop": [" there"]}`)
	require.Equal(t, "Hello", o.Content)
	require.Equal(t, "word", o.StopType)
	require.Equal(t, " there", o.Word)

	all := postOK[[]llamaOutput](t, server, "/completion", `{"prompt": ["x", "y"], "echo": true}`)
	require.Len(t, all, 2)
	require.Equal(t, 1, all[1].Index)
	require.Equal(t, "Hello there,\nworld", all[1].Content)

	// A prompt of /apply-template can be gone on with.
	template := postOK[map[string]string](t, server, "/apply-template", `{"messages": [{"role": "user", "content": "x"}]}`)["prompt"]
	postOK[llamaOutput](t, server, "/completion", `{"prompt": `+string(mustJSON(template))+`}`)
	require.Equal(t, s.Tokens.EncodeSpecial(template), m.LastPrompt())

	status, answer := post(t, server, "/completion", `{"prompt": "x", "n_probs": 1000}`)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, answer, "n_probs")
	_, answer = post(t, server, "/completion", `{"n_probs": 1000, "prompt": "x"`)
	require.Contains(t, answer, "not valid JSON")
}

func TestLlamaCompletionStreamed(t *testing.T) {
	server, s := start(t, &model{says: "Hello there, world<|return|>"})
	all, last := events[llamaOutput](t, server, "/completion", `{"prompt": "x", "stream": true, "n_probs": 1}`)
	text := ""
	var ids []int
	for i, e := range all {
		text += e.Content
		ids = append(ids, e.Tokens...)
		require.Len(t, e.Probs, len(e.Tokens))
		require.Equal(t, i == len(all)-1, e.Stop)
	}
	require.Equal(t, "Hello there, world", text)
	require.Equal(t, s.Tokens.Encode(text), ids)
	require.Contains(t, last, `"timings"`)
	require.Equal(t, "eos", all[len(all)-1].StopType)
}
