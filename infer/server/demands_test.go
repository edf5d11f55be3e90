package server

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// A field that asks for what it would not get is refused, under whatever name other
// servers have it; with a value that asks for nothing it is as good as left out.
func TestDemandsAreRefused(t *testing.T) {
	m := &model{says: "<|channel|>final<|message|>ok<|return|>"}
	server, _ := start(t, m)
	const chat = `"messages": [{"role": "user", "content": "x"}]`
	for _, c := range []struct{ path, field, names, instead string }{
		{"chat/completions", `"guided_json": {"type": "object"}`, "guided_json", "response_format, json_schema or grammar"},
		{"chat/completions", `"guided_choice": ["a", "b"]`, "guided_choice", "response_format"},
		{"chat/completions", `"guided_regex": "a+"`, "guided_regex", "response_format"},
		{"chat/completions", `"structured_outputs": {"json": {}}`, "structured_outputs", "response_format"},
		{"chat/completions", `"format": "json"`, "format", "response_format"},
		{"chat/completions", `"continue_final_message": true`, "continue_final_message", "/v1/completions continues a text"},
		{"chat/completions", `"add_generation_prompt": false`, "add_generation_prompt", "/v1/completions"},
		{"apply-template", `"add_generation_prompt": false`, "add_generation_prompt", "/v1/completions"},
		{"chat/completions", `"prompt_logprobs": 1`, "prompt_logprobs", "echo and logprobs"},
		{"completions", `"response_format": {"type": "json_object"}`, "response_format", "with json_schema or grammar"},
		{"completions", `"prompt_logprobs": 0`, "prompt_logprobs", "echo and logprobs"},
		{"completion", `"guided_json": {"type": "object"}`, "guided_json", "with json_schema or grammar"},
		{"responses", `"response_format": {"type": "json_object"}`, "response_format", "with text.format"},
		{"messages", `"response_format": {"type": "json_object"}`, "response_format", "with output_config.format"},
	} {
		body := `{` + c.field + `, "input": "x", "prompt": "x", "max_tokens": 5, ` + chat + `}`
		status, answer := post(t, server, "/v1/"+c.path, body)
		require.Equal(t, http.StatusBadRequest, status, "%s\n%s", body, answer)
		require.Contains(t, answer, c.names+" is not supported: ")
		require.Contains(t, answer, c.instead)
	}
	for _, field := range []string{
		`"guided_json": null`, `"guided_choice": []`, `"structured_outputs": {}`, `"format": ""`, `"continue_final_message": false`,
		`"add_generation_prompt": true`, `"prompt_logprobs": null`, `"use_beam_search": false`,
	} {
		for _, path := range []string{"chat/completions", "responses", "messages"} {
			status, answer := post(t, server, "/v1/"+path, `{`+field+`, "input": "x", "max_tokens": 5, `+chat+`}`)
			require.Equal(t, http.StatusOK, status, "%s %s\n%s", path, field, answer)
		}
	}
	status, answer := post(t, server, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "I", "prefix": true}]}`)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, answer, "messages[1].prefix is not supported")
	status, answer = post(t, server, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "I", "prefix": false}]}`)
	require.Equal(t, http.StatusOK, status, answer)
}

// A request asks for one form, however it does.
func TestFormsExcludeEachOther(t *testing.T) {
	server, _ := start(t, &model{says: "<|channel|>final<|message|>{}<|return|>"})
	const (
		schema  = `"json_schema": {"type": "object"}`
		grammar = `"grammar": "root ::= \"a\""`
		object  = `"response_format": {"type": "json_object"}`
		text    = `"response_format": {"type": "text"}`
	)
	for _, c := range []struct{ path, fields, message string }{
		{"chat/completions", schema + ", " + grammar, "grammar and json_schema exclude each other: give one"},
		{"chat/completions", object + ", " + grammar, "grammar and response_format exclude each other: give one"},
		{"chat/completions", object + ", " + schema, "json_schema and response_format exclude each other: give one"},
		{"completions", schema + ", " + grammar, "grammar and json_schema exclude each other: give one"},
		{"completion", schema + ", " + grammar, "grammar and json_schema exclude each other: give one"},
		{"chat/completions", text + ", " + schema, ""},
		{"chat/completions", text + `, "grammar": null, "json_schema": null`, ""},
	} {
		status, answer := post(t, server, "/v1/"+c.path, `{"prompt": "x", "messages": [{"role": "user", "content": "x"}], `+c.fields+`}`)
		if c.message == "" {
			require.Equal(t, http.StatusOK, status, answer)
			continue
		}
		require.Equal(t, http.StatusBadRequest, status, "%s\n%s", c.fields, answer)
		require.Contains(t, answer, c.message)
	}
}

// The older name of the form in Anthropic's API binds the answer too, and an answer of
// no tokens has the prompt read: the next request finds it.
func TestMessagesOfOlderLibraries(t *testing.T) {
	m := &model{says: "<|channel|>final<|message|>no JSON<|return|>"}
	server, _ := start(t, m)
	status, answer := post(t, server, "/v1/messages", `{"max_tokens": 50, "messages": [{"role": "user", "content": "x"}],
		"output_format": {"type": "json_schema", "schema": {"const": {"a": 1}}}}`)
	require.Equal(t, http.StatusOK, status, answer)
	require.Contains(t, answer, `"text":"{\"a\":1}"`)
	for _, c := range []struct{ path, body, warm string }{
		{"messages", `{"max_tokens": 0, "messages": [{"role": "user", "content": "one"}]}`, "one"},
		{"completions", `{"max_tokens": 0, "prompt": "two"}`, "two"},
		{"completion", `{"n_predict": 0, "prompt": "three", "n": 2}`, "three"},
	} {
		status, answer = post(t, server, "/v1/"+c.path, c.body)
		require.Equal(t, http.StatusOK, status, answer)
		require.Contains(t, m.Tokens.Decode(m.LastPrompt()), c.warm)
	}
	status, answer = post(t, server, "/v1/messages", `{"max_tokens": -1, "messages": [{"role": "user", "content": "x"}]}`)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, answer, "max_tokens -1: must be 0, to have the prompt read alone, or more")
}
