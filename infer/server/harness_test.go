package server

import (
	"net/http"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

// TestTokensForHarnesses asks for tokens as lm-evaluation-harness does of servers
// that it takes for vLLM.
func TestTokensForHarnesses(t *testing.T) {
	server, s := start(t, &model{says: "ok"})
	resp, err := http.Get(server.URL + "/tokenizer_info")
	require.NoError(t, err)
	defer resp.Body.Close()
	var info struct {
		End string `json:"eos_token"`
	}
	require.NoError(t, json.UnmarshalRead(resp.Body, &info))
	require.Equal(t, "<|return|>", info.End)
	type tokens struct {
		Tokens []int `json:"tokens"`
		Count  int   `json:"count"`
		Most   int   `json:"max_model_len"`
	}
	tokenize := func(text string) tokens {
		return postOK[tokens](t, server, "/tokenize", `{"prompt": `+string(mustJSON(text))+`, "add_special_tokens": false}`)
	}
	require.Equal(t, []int{s.Chat.Marks().Return}, tokenize(info.End).Tokens)
	require.Equal(t, tokens{[]int{}, 0, 1000}, tokenize(""))
	got := tokenize("a white whale")
	require.Equal(t, tokens{s.Tokens.Encode("a white whale"), 3, 1000}, got)
	text := postOK[map[string]string](t, server, "/detokenize", `{"tokens": `+string(mustJSON(got.Tokens))+`}`)
	require.Equal(t, "a white whale", text["prompt"])
}
