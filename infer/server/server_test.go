package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"expertfs/infer/harmony"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

const thinking = "<|channel|>analysis<|message|>Easy.<|end|><|start|>assistant<|channel|>final<|message|>2 + 2 = 4.<|return|>"

func TestChat(t *testing.T) {
	m := &model{says: thinking}
	server, _ := start(t, m)
	c := postOK[chatCompletion](t, server, "/v1/chat/completions", `{
		"model": "test", "seed": 5, "reasoning_effort": "low", "n": 1, "tools": [], "response_format": {"type": "text"},
		"messages": [
			{"role": "system", "content": "Be brief."},
			{"role": "user", "content": "Hi", "name": "bob"},
			{"role": "assistant", "content": "Hello.", "reasoning_content": "polite", "refusal": null},
			{"role": "user", "content": [{"type": "text", "text": "What is "}, {"type": "text", "text": "2 + 2?"}]}
		]}`)
	require.Equal(t, "chat.completion", c.Object)
	require.True(t, strings.HasPrefix(c.ID, "chatcmpl-"))
	require.Equal(t, "assistant", c.Choices[0].Message.Role)
	require.Equal(t, "2 + 2 = 4.", *c.Choices[0].Message.Content)
	require.Equal(t, "Easy.", c.Choices[0].Message.Reasoning)
	require.Equal(t, finishStop, *c.Choices[0].Finish)
	generated := len(m.Tokens.EncodeSpecial(thinking))
	require.Equal(t, len(m.LastPrompt()), c.Usage.Prompt)
	require.Equal(t, generated, c.Usage.Completion)
	require.Equal(t, len(m.Tokens.EncodeSpecial("Easy.<|end|>"))+1, c.Usage.CompletionDetails.Reasoning)
	require.NotZero(t, c.Timings.PredictN)
	require.Equal(t, harmony.SystemMessage(harmony.Low, "2025-06-28").Content, strings.Split(strings.TrimPrefix(m.Tokens.Decode(m.LastPrompt()), "<|start|>system<|message|>"), "<|end|>")[0])
	require.True(t, strings.HasSuffix(m.Tokens.Decode(m.LastPrompt()), "<|start|>developer<|message|># Instructions\n\nBe brief.<|end|>"+
		"<|start|>user:bob<|message|>Hi<|end|><|start|>assistant<|channel|>final<|message|>Hello.<|end|>"+
		"<|start|>user<|message|>What is 2 + 2?<|end|><|start|>assistant"))
}

func TestChatCutShort(t *testing.T) {
	m := &model{says: thinking}
	server, _ := start(t, m)
	c := postOK[chatCompletion](t, server, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], "max_completion_tokens": 4}`)
	require.Equal(t, finishLength, *c.Choices[0].Finish)
	require.Equal(t, "Easy", c.Choices[0].Message.Reasoning)
	require.Equal(t, "Easy", c.Choices[0].Message.ReasoningContent)
	require.Equal(t, "", *c.Choices[0].Message.Content)
	require.Equal(t, 4, c.Usage.Completion)
}

func TestChatStream(t *testing.T) {
	server, _ := start(t, &model{says: thinking})
	all, last := events[chatCompletion](t, server, "/v1/chat/completions",
		`{"messages": [{"role": "user", "content": "x"}], "stream": true, "stream_options": {"include_usage": true}}`)
	require.Equal(t, "[DONE]", last)
	require.Equal(t, "assistant", all[0].Choices[0].Delta.Role)
	require.Equal(t, "null", string(all[0].Choices[0].Delta.Content))
	var content, reasoning strings.Builder
	for _, c := range all[1 : len(all)-2] {
		require.Equal(t, "chat.completion.chunk", c.Object)
		require.Equal(t, all[0].ID, c.ID)
		require.Nil(t, c.Choices[0].Finish)
		if d := c.Choices[0].Delta; d.Content != nil {
			var text string
			require.NoError(t, json.Unmarshal(d.Content, &text))
			content.WriteString(text)
		}
		reasoning.WriteString(c.Choices[0].Delta.Reasoning)
		require.Equal(t, c.Choices[0].Delta.Reasoning, c.Choices[0].Delta.ReasoningContent)
	}
	require.Equal(t, "2 + 2 = 4.", content.String())
	require.Equal(t, "Easy.", reasoning.String())
	end := all[len(all)-2]
	require.Equal(t, finishStop, *end.Choices[0].Finish)
	require.Equal(t, &chatDelta{}, end.Choices[0].Delta)
	require.Empty(t, all[len(all)-1].Choices)
	require.NotZero(t, all[len(all)-1].Usage.Total)
}

func TestCompletion(t *testing.T) {
	m := &model{says: "one two three four<|return|>"}
	server, _ := start(t, m)
	c := postOK[completion](t, server, "/v1/completions", `{"prompt": "zero <|end|>"}`)
	require.Equal(t, "text_completion", c.Object)
	require.Equal(t, "one two three four", c.Choices[0].Text)
	require.Equal(t, finishStop, *c.Choices[0].Finish)
	require.Equal(t, m.Tokens.Encode("zero <|end|>"), m.LastPrompt())

	c = postOK[completion](t, server, "/v1/completions", `{"prompt": [200006, 1], "max_tokens": 2}`)
	require.Equal(t, "one two", c.Choices[0].Text)
	require.Equal(t, finishLength, *c.Choices[0].Finish)
	require.Equal(t, []int{200006, 1}, m.LastPrompt())

	all, last := events[completion](t, server, "/v1/completions", `{"prompt": "x", "stream": true, "stop": ["three"]}`)
	require.Equal(t, "[DONE]", last)
	var text strings.Builder
	for _, c := range all {
		text.WriteString(c.Choices[0].Text)
	}
	require.Equal(t, "one two ", text.String())
	require.Equal(t, finishStop, *all[len(all)-1].Choices[0].Finish)
}

// TestStopHeldBackAtEnd: the beginning of a stop string is text after all.
func TestStopHeldBackAtEnd(t *testing.T) {
	server, _ := start(t, &model{says: "one two<|return|>"})
	c := postOK[completion](t, server, "/v1/completions", `{"prompt": "x", "stop": " twofold"}`)
	require.Equal(t, "one two", c.Choices[0].Text)
}

func TestRefusals(t *testing.T) {
	server, _ := start(t, &model{says: "x"})
	chat := func(fields string) string { return `{"messages": [{"role": "user", "content": "x"}], ` + fields + `}` }
	for _, c := range []struct{ path, body, param, message string }{
		{"chat/completions", `{`, "", "not valid JSON"},
		{"chat/completions", `{} {}`, "", "after"},
		{"chat/completions", `{}`, "messages", "messages is empty"},
		{"chat/completions", `{"Messages": [{"role": "user", "content": "x"}]}`, "messages", "messages is empty"},
		{"chat/completions", chat(`"n": 0`), "n", "from 1 to 128"},
		{"chat/completions", chat(`"n": 1.5`), "n", "whole number"},
		{"chat/completions", chat(`"tools": [{"type": "function"}]`), "tools[0].function", "no name for a tool"},
		{"chat/completions", chat(`"tools": [{"type": "function", "function": {"name": "a b"}}]`), "tools[0].function", "no name for a tool"},
		{"chat/completions", chat(`"tool_choice": "required"`), "tool_choice", "tools has no function"},
		{"chat/completions", chat(`"tool_choice": "perhaps"`), "tool_choice", "not auto, none or required"},
		{"chat/completions", chat(`"tool_choice": {"type": "function", "function": {"name": "f"}}`), "tool_choice", `no tool "f"`},
		{"chat/completions", chat(`"response_format": {"type": "xml"}`), "response_format", `"xml" is not supported: want text, json_object or json_schema`},
		{"chat/completions", chat(`"response_format": {"type": "json_schema"}`), "response_format", "has no schema"},
		{"chat/completions", chat(`"top_logprobs": 21`), "top_logprobs", "from 0 to 20"},
		{"chat/completions", chat(`"frequency_penalty": 2.5`), "frequency_penalty", "from -2 to 2"},
		{"chat/completions", chat(`"logit_bias": {"x": 1}`), "logit_bias", "not a token id"},
		{"chat/completions", chat(`"logit_bias": [["123", 1]]`), "logit_bias", `"123" is not a token id: POST /tokenize tells`},
		{"chat/completions", chat(`"logit_bias": [[1]]`), "logit_bias[0]", "logit_bias[0]: too few"},
		{"chat/completions", chat(`"logit_bias": [[1, 2, 3]]`), "logit_bias[0]", "logit_bias[0]: too many"},
		{"chat/completions", chat(`"logit_bias": {"1": 101}`), "logit_bias", "from -100 to 100"},
		{"chat/completions", chat(`"logit_bias": {"999999": 1}`), "logit_bias", "outside of the vocabulary"},
		{"chat/completions", chat(`"modalities": ["audio"]`), "modalities", "not supported"},
		{"chat/completions", chat(`"functions": [{"name": "f"}]`), "functions", "tools has taken its place"},
		{"chat/completions", `[]`, "", "must be a JSON object"},
		{"chat/completions", `null`, "messages", "messages is empty"},
		{"chat/completions", chat(`"temperature": -1`), "temperature", "temperature -1"},
		{"chat/completions", chat(`"top_p": 2`), "top_p", "top_p 2: must be from 0 to 1"},
		{"chat/completions", chat(`"top_k": -2`), "top_k", "0 (off) or more"},
		{"chat/completions", chat(`"min_p": 2`), "min_p", "from 0 to 1"},
		{"chat/completions", chat(`"temperature": "hot"`), "temperature", "temperature: must be a number, and not a string"},
		{"chat/completions", chat(`"seed": 1.5`), "seed", "whole number"},
		{"chat/completions", chat(`"max_tokens": 0`), "max_tokens", "must be 1 or more"},
		{"chat/completions", chat(`"max_completion_tokens": 0`), "max_completion_tokens", "must be 1 or more"},
		{"chat/completions", chat(`"stop": 5`), "stop", "stop: must be a string or a list of strings, and not a number"},
		{"chat/completions", chat(`"stop": ["a", ""]`), "stop", "empty string"},
		{"chat/completions", chat(`"reasoning_effort": "extreme"`), "reasoning_effort", "extreme"},
		{"chat/completions", `{"messages": [{"role": "tool", "content": "x"}]}`, "messages[0].tool_call_id", "messages[0].tool_call_id: there is no call"},
		{"chat/completions", `{"messages": [` + calls + `, {"role": "tool", "tool_call_id": "d", "content": "x"}]}`, "messages[1].tool_call_id", `there is no call "d"`},
		{"chat/completions", `{"messages": [{"role": "user", "content": {"a": 1}}]}`, "messages[0].content", "must be a string or a list of parts, and not an object"},
		{"chat/completions", `{"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]}`, "messages[0].content[0].text", "must be a string, and not a number"},
		{"responses", `{"input": [{"type": "function_call_output", "call_id": "d", "output": "x"}]}`, "input[0].call_id", `there is no call "d"`},
		{"responses", `{"input": [{"type": "hologram"}]}`, "input[0].type", `items of type "hologram"`},
		{"responses", `{"input": "x", "instructions": 5}`, "instructions", "and not a number"},
		{"responses", `{"input": [{"type": "configuration_update", "reasoning": {"effort": 5}}]}`, "input[0].reasoning.effort", "must be a string, and not a number"},
		{"responses", `{"input": [{"type": "additional_tools", "tools": [{"type": "function"}]}]}`, "tools[0].function", "no name for a tool"},
		{"chat/completions", `{"messages": [{"role": "robot", "content": "x"}]}`, "messages[0].role", `messages[0]: role "robot" is not supported: want system`},
		{"chat/completions", `{"messages": [{"content": "x"}]}`, "messages[0].role", "messages[0] has no role: want system"},
		{"chat/completions", `{"messages": [null]}`, "messages[0].role", "messages[0] has no role"},
		{"responses", `{"input": 5}`, "input", "input: must be a string or a list of items, and not a number"},
		{"responses", `{"input": "x", "instructions": {}}`, "instructions", "instructions: must be a string or a list of items, and not an object"},
		{"responses", `{"input": "x", "instructions": [{"role": 5}]}`, "instructions[0].role", "instructions[0].role: must be a string, and not a number"},
		{"responses", `{"input": [{"content": "x"}]}`, "input[0].role", "input[0] has no role: want user"},
		{"chat/completions", ``, "", "the request has no body"},
		{"chat/completions", `{"messages": [`, "", "not valid JSON: unexpected EOF"},
		{"chat/completions", `{"messages": "x"}`, "messages", "messages: must be a list, and not a string"},
		{"chat/completions", `{"messages": ["x"]}`, "messages[0]", "messages[0]: must be an object, and not a string"},
		{"chat/completions", chat(`"temperature": 1e400`), "temperature", "temperature: cannot be such a number: it is out of range"},
		{"chat/completions", chat(`"stream": "yes"`), "stream", "stream: must be true or false, and not a string"},
		{"chat/completions", chat(`"logit_bias": "x"`), "logit_bias", "logit_bias: must be an object of biases by token id, or a list of pairs, and not a string"},
		{"chat/completions", chat(`"response_format": "json"`), "response_format", "response_format: must be an object, and not a string"},
		{"chat/completions", chat(`"model": 5`), "model", "model: must be a string, and not a number"},
		{"chat/completions", `{"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": [{"type": "image_url"}]}]}`, "messages[1].content", `"image_url"`},
		{"chat/completions", `{"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": 5}]}`, "messages[1].content", "must be a string or a list of parts, and not a number"},
		{"chat/completions", `{"messages": [{"role": "assistant", "content": null, "tool_calls": [{}]}]}`, "messages[0].tool_calls[0].function.name", "names no function"},
		{"chat/completions", `{"messages": [{"role": "user", "content": "` + strings.Repeat("long ", 1000) + `"}]}`, "messages", "context of this server is 1000"},
		{"completions", `{"prompt": ""}`, "prompt", "prompt is empty"},
		{"completions", `{"prompt": []}`, "prompt", "prompt is empty"},
		{"completions", `{}`, "prompt", "prompt is empty"},
		{"completions", `{"prompt": [-1]}`, "prompt", "token id -1"},
		{"completions", `{"prompt": [1, "x"]}`, "prompt", "prompt[1] is not a token id"},
		{"completions", `{"prompt": ["x", 1]}`, "prompt", "prompt[1] is neither"},
		{"completions", `{"prompt": ["x", []]}`, "prompt", "prompt[1] is empty"},
		{"completions", `{"prompt": {}}`, "prompt", "neither a string"},
		{"completions", `{"prompt": "x", "best_of": 2}`, "best_of", "not supported"},
		{"completions", `{"prompt": "x", "suffix": " "}`, "suffix", "not supported"},
		{"completions", `{"prompt": "x", "max_tokens": -2}`, "max_tokens", "must be 0 or more"},
		{"detokenize", `{"tokens": [1, 999999]}`, "tokens", "tokens[1]: id 999999"},
	} {
		status, answer := post(t, server, "/v1/"+c.path, c.body)
		require.Equal(t, http.StatusBadRequest, status, c.body)
		var e errorBody
		require.NoError(t, json.Unmarshal([]byte(answer), &e), answer)
		require.Equal(t, "invalid_request_error", e.Error.Type)
		require.Equal(t, c.param, or(e.Error.Param, ""), answer)
		require.Contains(t, e.Error.Message, c.message)
	}
	status, _ := post(t, server, "/v1/completions", `{"prompt": "`+strings.Repeat("x", maxBody)+`"}`)
	require.Equal(t, http.StatusRequestEntityTooLarge, status)
}

func TestOtherPaths(t *testing.T) {
	server, _ := start(t, &model{})
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"/health":              {http.StatusOK, `"ok"`},
		"/v1/models":           {http.StatusOK, `"id":"test"`},
		"/models":              {http.StatusOK, `"models":[`},
		"/v1/models/test":      {http.StatusOK, `"object":"model"`},
		"/v1/models/other":     {http.StatusNotFound, "model_not_found"},
		"/v1/chat/completions": {http.StatusMethodNotAllowed, "use POST"},
		"/nothing":             {http.StatusNotFound, "no such request: GET"},
		"/props":               {http.StatusOK, `"n_ctx":1000`},
		"/metrics":             {http.StatusOK, "# TYPE gptoss_requests_waiting gauge"},
	} {
		resp, err := http.Get(server.URL + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, want.status, resp.StatusCode, path)
		require.Contains(t, string(body), want.text)
	}
}

func TestPagesOfOtherOriginsAreRefused(t *testing.T) {
	server, _ := start(t, &model{says: "x<|return|>"})
	for origin, want := range map[string]int{"https://example.org": http.StatusForbidden, server.URL: http.StatusOK} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/v1/completions", strings.NewReader(`{"prompt": "x"}`))
		require.NoError(t, err)
		req.Header.Set("Origin", origin)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, want, resp.StatusCode, origin)
	}
}

func TestModelErrors(t *testing.T) {
	server, _ := start(t, &model{says: "some text", err: errors.New("layer 3, expert 7: gone")})
	status, answer := post(t, server, "/v1/completions", `{"prompt": "x"}`)
	require.Equal(t, http.StatusInternalServerError, status)
	require.Contains(t, answer, "layer 3, expert 7: gone")
	_, last := events[completion](t, server, "/v1/completions", `{"prompt": "x", "stream": true}`)
	require.Contains(t, last, `"error":{"message":"layer 3, expert 7: gone"`)

	server, _ = start(t, &model{says: "<|message|>Hi<|end|>stray text"})
	c := chat(t, server, `"n": 1`)
	require.Equal(t, "Hi", *c.Message.Content)
	require.Equal(t, finishStop, *c.Finish)
}

// soon fails the test when cond stays false: a hang, not a slow machine.
func soon(t *testing.T, cond func() bool) {
	t.Helper()
	require.Eventually(t, cond, 5*time.Minute, time.Millisecond)
}

func TestOneRequestAtATime(t *testing.T) {
	m := &model{says: "a b c<|return|>", before: make(chan struct{})}
	server, s := start(t, m)
	const clients = 5 // one is computed and four wait
	answers := make(chan int, clients)
	for range clients {
		go func() {
			resp, err := http.Post(server.URL+"/v1/completions", "application/json", strings.NewReader(`{"prompt": "x"}`))
			if err != nil {
				answers <- 0
				return
			}
			resp.Body.Close()
			answers <- resp.StatusCode
		}()
	}
	soon(t, func() bool { return s.queue.count() == clients })
	status, answer := post(t, server, "/v1/completions", `{"prompt": "x"}`)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, answer, "overloaded")
	close(m.before)
	for range clients {
		require.Equal(t, http.StatusOK, <-answers)
	}
}

func TestDisconnectCancels(t *testing.T) {
	m := &model{says: "a b c", before: make(chan struct{}, 1)}
	server, s := start(t, m)
	ctx, cancel := context.WithCancel(t.Context())
	request := func(stream string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/v1/completions", strings.NewReader(`{"prompt": "x", "stream": `+stream+`}`))
		require.NoError(t, err)
		return http.DefaultClient.Do(req)
	}
	m.before <- struct{}{}
	resp, err := request("true") // returns at once; the second token never comes
	require.NoError(t, err)
	defer resp.Body.Close()
	waiting := make(chan error)
	go func() {
		resp, err := request("false")
		if err == nil {
			resp.Body.Close()
		}
		waiting <- err
	}()
	soon(t, func() bool { return s.queue.count() == 2 })
	cancel()
	require.ErrorIs(t, <-waiting, context.Canceled)
	soon(t, func() bool { return s.queue.count() == 0 && !m.Busy() })
}
