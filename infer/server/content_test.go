package server

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a model that reads text cannot see is told to it in words, where an agent
// could not go on otherwise: in results of tools, and in Responses.
func TestForeignContentIsTold(t *testing.T) {
	const call = `{"role": "user", "content": "look"}, {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "shot", "arguments": "{}"}}]}, `
	const picture = `{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}`
	for body, path := range map[string]string{
		`{"messages": [` + call + `{"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "done"}, {"type": "image_url", "image_url": {"url": "x"}}]}]}`: "chat/completions",
		`{"input": [{"role": "user", "content": [{"type": "input_text", "text": "done"}, ` + picture + `]}]}`:                                                                "responses",
		`{"input": [{"role": "user", "content": "x"}, {"type": "function_call", "call_id": "a", "name": "shot", "arguments": "{}"},
			{"type": "function_call_output", "call_id": "a", "output": [{"type": "input_text", "text": "done"}, ` + picture + `]}]}`: "responses",
		`{"max_tokens": 9, "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "shot", "input": {}}]},
			{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "done"}, {"type": "image", "source": {}}]}]}]}`: "messages",
	} {
		m := &model{says: "<|channel|>final<|message|>ok<|return|>"}
		server, _ := start(t, m)
		status, answer := post(t, server, "/v1/"+path, body)
		require.Equal(t, 200, status, answer)
		require.Contains(t, m.Tokens.Decode(m.LastPrompt()), "done\n(Here is a picture. You can read text only and do not see it.)<|end|>", path)
	}
	m := &model{says: "<|channel|>final<|message|>ok<|return|>"}
	server, _ := start(t, m)
	status, answer := post(t, server, "/v1/responses", `{"input": [{"role": "user", "content": [{"type": "input_file", "filename": "a.pdf", "file_data": "x"}]}]}`)
	require.Equal(t, 200, status, answer)
	require.Contains(t, m.Tokens.Decode(m.LastPrompt()), "(Here is a file a.pdf. ")
	status, answer = post(t, server, "/v1/responses", `{"input": [{"role": "user", "content": [{"type": "hologram"}]}]}`)
	require.Equal(t, 400, status)
	require.Contains(t, answer, `\"hologram\" is not supported`)
}

// What is unusual but clear is taken.
func TestUnusualBodies(t *testing.T) {
	m := &model{says: "<|channel|>final<|message|>ok<|return|>"}
	server, _ := start(t, m)
	for _, body := range []string{
		`{"messages": [{"role": "user", "content": [{"text": "Say ok"}]}]}`,
		`{"messages": [{"role": "user", "content": ["Say ok"]}]}`,
		"\ufeff" + `{"messages": [{"role": "user", "content": "Say ok"}]}`, // as of programs for Windows
		"\n " + `{"messages": [{"role": "user", "content": "Say ok"}]}` + "\r\n",
	} {
		status, answer := post(t, server, "/v1/chat/completions", body)
		require.Equal(t, 200, status, answer)
		require.Contains(t, m.Tokens.Decode(m.LastPrompt()), "<|start|>user<|message|>Say ok<|end|>", body)
	}
}

// What is neither a text nor a list of blocks is told what it must be.
func TestBlocksOfNoKind(t *testing.T) {
	server, _ := start(t, &model{says: "<|channel|>final<|message|>ok<|return|>"})
	for body, message := range map[string]string{
		`{"max_tokens": 5, "system": 5, "messages": [{"role": "user", "content": "x"}]}`: "system: must be a string or a list of blocks, and not a number",
		`{"max_tokens": 5, "messages": [{"role": "user", "content": {}}]}`:               "messages[0].content: must be a string or a list of blocks, and not an object",
	} {
		status, answer := post(t, server, "/v1/messages", body)
		require.Equal(t, 400, status, answer)
		require.Contains(t, answer, message)
	}
	status, answer := post(t, server, "/v1/messages", `{"max_tokens": 5, "system": null, "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": null}]}`)
	require.Equal(t, 200, status, answer)
}

func TestJoinParts(t *testing.T) {
	for want, texts := range map[string][]string{
		"":               nil,
		"a\nb":           {"a", "b"},
		"a\nb\nc":        {"a", "", "b\n", "c"},
		"What is 2 + 2?": {"What is ", "2 + 2?"},
		"a\n\nb":         {"a", "\n\nb"},
		" ":              {"", " ", ""},
	} {
		require.Equal(t, want, joinParts(texts), strings.Join(texts, "|"))
	}
}

// Calls and results of tools that Anthropic's servers run mean nothing here.
func TestBlocksOfOtherServersAreLeftOut(t *testing.T) {
	m := &model{says: "<|channel|>final<|message|>ok<|return|>"}
	server, _ := start(t, m)
	status, answer := post(t, server, "/v1/messages", `{"max_tokens": 9, "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": [
		{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
		{"type": "text", "text": "found"}]}, {"role": "user", "content": "y"}]}`)
	require.Equal(t, 200, status, answer)
	require.Contains(t, m.Tokens.Decode(m.LastPrompt()), "x<|end|><|start|>assistant<|channel|>final<|message|>found<|end|><|start|>user<|message|>y<|end|>")
}

// Values that ask for nothing.
func TestNeutralValues(t *testing.T) {
	server, _ := start(t, &model{says: "<|channel|>final<|message|>ok<|return|>"})
	for _, fields := range []string{`"stop": ""`, `"top_k": -1`, `"stop": null`, `"seed": 3.0`, `"max_tokens": -1`, `"tools": [], "tool_choice": "auto"`} {
		require.Equal(t, "ok", *chat(t, server, fields).Message.Content, fields)
	}
}

// A tool without parameters takes none.
func TestForcedCallWithoutParameters(t *testing.T) {
	server, _ := start(t, &model{says: "<|channel|>commentary to=functions.now <|constrain|>json<|message|>{\"a\":1}<|call|>"})
	for _, more := range []string{``, `, "parameters": null`, `, "parameters": {"type": "object", "properties": {}}`} {
		c := chat(t, server, `"temperature": 0, "tool_choice": "required", "tools": [{"type": "function", "function": {"name": "now"`+more+`}}]`)
		require.Equal(t, "{}", c.Message.ToolCalls[0].Function.Arguments)
	}
}
