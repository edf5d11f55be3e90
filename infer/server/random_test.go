package server

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"expertfs/infer/harmony"
	"expertfs/infer/server/scripted"
	"expertfs/infer/tokenizer"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

// randomRequests is how many requests TestRandomRequests makes; the variable
// GPTOSS_RANDOM asks for others.
const randomRequests = 400

// TestRandomRequests sends requests with random fields to a model that says random
// tokens. Whatever comes, there is no failure of the server, and no success
// without anything in it.
func TestRandomRequests(t *testing.T) {
	n := randomRequests
	if v, err := strconv.Atoi(os.Getenv("GPTOSS_RANDOM")); err == nil {
		n = v
	}
	tokens, err := tokenizer.Load("../../checkpoint/tiny")
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(1, 2))
	m := &model{}
	server, s := startWith(t, m, tokens)
	m.Say = func([]int) string { return randomScript(r, tokens) }
	succeeded := 0
	for i := range n {
		path, body := randomRequest(r)
		status, answer := post(t, server, path, body)
		require.Less(t, status, http.StatusInternalServerError, "%d: %s %s\n%s", i, path, body, answer)
		if status == http.StatusOK {
			succeeded++
			requireSomething(t, path, body, answer)
		}
	}
	require.Greater(t, succeeded, n/10)
	require.False(t, s.Busy())
}

// startWith is start with another tokenizer.
func startWith(t *testing.T, m *model, tokens *tokenizer.Tokenizer) (*httptest.Server, *Server) {
	t.Helper()
	s := newServer(t, m)
	var err error
	s.Tokens = tokens
	s.Chat, err = harmony.NewEncoding(tokens)
	require.NoError(t, err)
	m.Engine = &scripted.Engine{Tokens: tokens, Room: 1000, Say: scripted.Says(m.says)}
	server := newHTTP(t, s)
	s.Ready(m.Engine)
	return server, s
}

// randomScript is made of words of the format and of any tokens.
func randomScript(r *rand.Rand, tokens *tokenizer.Tokenizer) string {
	words := []string{
		"<|channel|>", "<|message|>", "<|end|>", "<|start|>", "assistant", "analysis", "final", "commentary", " to=functions.f", "user",
		"<|constrain|>json", "<|call|>", "<|return|>", "{\"a\":", "1}", "\xf0\x9f", " word", "\n", "functions.f", "<|channel|>final<|message|>",
		"<|channel|>analysis<|message|>", "<|channel|>commentary to=functions.f <|constrain|>json<|message|>", "<|end|><|start|>assistant",
	}
	var b strings.Builder
	for range r.IntN(20) {
		if r.IntN(3) == 0 {
			b.WriteString(tokens.Bytes(r.IntN(tokens.Size())))
		} else {
			b.WriteString(words[r.IntN(len(words))])
		}
	}
	return b.String()
}

// randomRequest returns a path and a body, most of which make sense.
func randomRequest(r *rand.Rand) (path, body string) {
	pick := func(all ...string) string { return all[r.IntN(len(all))] }
	text := func() string {
		return pick(`"x"`, `"Tell me"`, `""`, `null`, `[{"type": "text", "text": "a"}]`, `[]`, `5`, `{"a": 1}`, `"<|end|>"`)
	}
	tool := `{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false}, "strict": ` + pick("true", "false", "null") + `}}`
	any := func() string {
		return pick("null", "true", "0", "-1", "1.5", "1e400", `"x"`, "[]", "{}", `[1, "a", null]`, `{"type": "x"}`, "3.0", `"\ud800"`, "99999999999999999999")
	}
	fields := []string{}
	add := func(name string, values ...string) {
		if r.IntN(4) == 0 {
			fields = append(fields, fmt.Sprintf("%q: %s", name, pick(append(values, any())...)))
		}
	}
	path = pick("/v1/chat/completions", "/v1/completions", "/completion", "/v1/responses", "/v1/messages", "/tokenize", "/detokenize", "/apply-template", "/v1/messages/count_tokens")
	message := func() string {
		role := pick("user", "user", "user", "assistant", "system", "developer", "tool", "robot")
		m := fmt.Sprintf(`"role": %q, "content": %s`, role, text())
		if r.IntN(4) == 0 {
			m += `, "tool_calls": ` + pick(`[{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]`, any())
		}
		if r.IntN(4) == 0 {
			m += `, "tool_call_id": ` + pick(`"c"`, any())
		}
		if r.IntN(6) == 0 {
			m += fmt.Sprintf(`, %q: %s`, pick("reasoning", "reasoning_content", "refusal", "annotations", "audio", "name", "type", "extra"), any())
		}
		return "{" + m + "}"
	}
	list := func() string {
		var all []string
		for range r.IntN(4) {
			all = append(all, message())
		}
		return "[" + strings.Join(append(all, `{"role": "user", "content": "x"}`), ", ") + "]"
	}
	for _, name := range []string{"messages", "input"} {
		if r.IntN(10) > 0 {
			fields = append(fields, fmt.Sprintf("%q: %s", name, pick(list(), list(), list(), any())))
		}
	}
	fields = append(fields, `"prompt": `+pick(`"x"`, `["a", "b"]`, `[1, 2]`, `[[1], [2, 3]]`, any()), `"content": `+text(), `"tokens": `+pick("[1, 2]", any()))
	add("max_tokens", "5", "20", "60", "60")
	add("max_output_tokens", "5", "20", "60")
	add("stream", "false")
	add("temperature", "0", "1", "2")
	add("top_p", "0", "0.5")
	add("top_k", "1", "5")
	add("min_p", "0.1")
	add("seed", "1", "-1")
	add("stop", `"a"`, `["b", "c"]`)
	add("n", "1", "2", "3")
	add("logprobs", "true", "2", "0")
	add("n_probs", "2", "0")
	add("top_logprobs", "2")
	add("echo", "true")
	add("logit_bias", `{"5": 3}`, `[[5, false]]`)
	add("frequency_penalty", "0.5")
	add("presence_penalty", "-0.5")
	add("tools", "["+tool+"]", "["+tool+`, {"type": "web_search"}]`, `[{"type": "function", "name": "f"}]`, `[{"name": "f", "input_schema": {}}]`)
	add("tool_choice", `"auto"`, `"none"`, `"required"`, `{"type": "function", "function": {"name": "f"}}`, `{"type": "any"}`, `{"type": "tool", "name": "f"}`)
	add("parallel_tool_calls", "false")
	add("response_format", `{"type": "json_object"}`, `{"type": "text"}`, `{"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"], "additionalProperties": false}}}`)
	add("text", `{"format": {"type": "json_object"}}`)
	add("grammar", `"root ::= [a-z]+"`, `"root ::= "`)
	add("reasoning_effort", `"low"`, `"none"`)
	add("reasoning", `{"effort": "high"}`)
	add("system", `"Be brief."`)
	add("thinking", `{"type": "enabled", "budget_tokens": 100}`)
	add("metadata", `{}`)
	add("unheard_of", "1")
	body = "{" + strings.Join(fields, ", ") + "}"
	if r.IntN(30) == 0 {
		body = body[:r.IntN(len(body))]
	}
	return path, body
}

// requireSomething fails when an answer has neither text nor calls nor a reason.
func requireSomething(t *testing.T, path, body, answer string) {
	t.Helper()
	if strings.Contains(body, `"stop":`) || strings.Contains(body, `"grammar":`) {
		return // the client has asked for it
	}
	if strings.HasPrefix(answer, "data: ") || strings.HasPrefix(answer, "event: ") || strings.HasPrefix(answer, ": ") {
		require.NotContains(t, answer, "server_error", body)
		require.NotContains(t, answer, "api_error", body)
		return
	}
	var v struct {
		Choices []struct {
			Finish  string `json:"finish_reason"`
			Message struct {
				Content   string           `json:"content"`
				ToolCalls []jsontext.Value `json:"tool_calls"`
			} `json:"message"`
		} `json:"choices"`
		Status     string `json:"status"`
		StopReason string `json:"stop_reason"`
		Output     []struct {
			Type string `json:"type"`
		} `json:"output"`
		Content jsontext.Value `json:"content"`
	}
	if path == "/completion" && strings.HasPrefix(answer, "[") {
		return // a list: of several prompts
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &v), answer)
	something := func(ok bool) { require.True(t, ok, "%s %s\n%s", path, body, answer) }
	switch path {
	case "/v1/chat/completions":
		for _, c := range v.Choices {
			something(strings.TrimSpace(c.Message.Content) != "" || len(c.Message.ToolCalls) > 0 || c.Finish == "length")
		}
	case "/v1/responses":
		ok := v.Status == "incomplete"
		for _, o := range v.Output {
			ok = ok || o.Type != "reasoning"
		}
		something(ok)
	case "/v1/messages":
		something(v.StopReason == "max_tokens" || strings.Contains(string(v.Content), `"type":"text"`) || strings.Contains(string(v.Content), `"type":"tool_use"`))
	}
}
