package server

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"expertfs/infer/server/scripted"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

// TestHarnessesScoreByEcho asks as lm-evaluation-harness does: it takes all tokens
// but the last for those of the prompt, so that the one which ends the answer must
// be among them.
func TestHarnessesScoreByEcho(t *testing.T) {
	m := &model{says: "<|return|>"}
	server, s := start(t, m)
	prompt := s.Tokens.Encode("Größe: 山 éé")
	c := postOK[completion](t, server, "/v1/completions", `{"model": "x", "prompt": [`+string(mustJSON(prompt))+`], "temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": true}`).Choices[0]
	require.Equal(t, finishStop, *c.Finish)
	require.Len(t, c.Logprobs.Tokens, len(prompt)+1)
	require.Equal(t, "<|return|>", c.Logprobs.Tokens[len(prompt)])
	require.Equal(t, "Größe: 山 éé", c.Text)
	text := []rune(c.Text)
	for i, token := range c.Logprobs.Tokens[:len(prompt)] {
		if !strings.HasPrefix(token, "bytes:") {
			at := c.Logprobs.Offsets[i]
			require.Equal(t, token, string(text[at:at+len([]rune(token))]))
		}
	}
	require.Equal(t, len(text), c.Logprobs.Offsets[len(prompt)])

	m.Say = scripted.Says(" äh<|return|>")
	body := `{"prompt": "é山", "echo": true, "logprobs": 0, "temperature": 0, "stream": `
	whole := postOK[completion](t, server, "/v1/completions", body+"false}").Choices[0]
	var offsets []int
	all, _ := events[completion](t, server, "/v1/completions", body+"true}")
	for _, e := range all {
		offsets = append(offsets, e.Choices[0].Logprobs.Offsets...)
	}
	require.Equal(t, whole.Logprobs.Offsets, offsets)
	require.Equal(t, 5, offsets[len(offsets)-1])
}

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

	// The tokens of a conversation are those that a chat request makes of it.
	conversation := `{"messages": [{"role": "user", "content": "Hi"}], "tools": [{"type": "function", "function": {"name": "f"}}]`
	prompt := postOK[map[string]string](t, server, "/apply-template", conversation+"}")["prompt"]
	require.Contains(t, prompt, "functions")
	got = postOK[tokens](t, server, "/tokenize", conversation+`, "model": "x", "add_generation_prompt": true}`)
	require.Equal(t, prompt, s.Tokens.Decode(got.Tokens))
	require.Equal(t, len(got.Tokens), got.Count)
	status, answer := post(t, server, "/tokenize", `{"messages": [{"role": "robot", "content": "Hi"}]}`)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, answer, "messages[0]: role")
}

// TestStreamsBeginAtOnce reads the first line of each kind of stream while the model
// has not said anything.
func TestStreamsBeginAtOnce(t *testing.T) {
	for path, fields := range map[string]string{
		"completions": `"prompt": "x"`, "completion": `"prompt": "x"`, "chat/completions": `"messages": [{"role": "user", "content": "x"}]`,
		"responses": `"input": "x"`, "messages": `"max_tokens": 5, "messages": [{"role": "user", "content": "x"}]`,
	} {
		m := &model{says: thinking, before: make(chan struct{})}
		server, _ := start(t, m)
		resp, err := http.Post(server.URL+"/v1/"+path, "application/json", strings.NewReader(`{"stream": true, `+fields+`}`))
		require.NoError(t, err)
		first, err := bufio.NewReader(resp.Body).ReadString('\n')
		require.NoError(t, err)
		require.NotEmpty(t, strings.TrimSpace(first), path)
		close(m.before)
		resp.Body.Close()
	}
}
