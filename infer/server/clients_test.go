package server

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const calls = `{"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}, {"id": "b", "function": {"name": "g", "arguments": "{}"}}]}`

// prompted sends a request and returns the text that the model was given.
func prompted(t *testing.T, path, body string) string {
	t.Helper()
	m := &model{says: "<|channel|>final<|message|>ok<|return|>"}
	server, _ := start(t, m)
	status, answer := post(t, server, "/v1/"+path, body)
	require.Equal(t, 200, status, answer)
	return m.Tokens.Decode(m.LastPrompt())
}

// TestResultsOfTools: a result goes behind the call that it names; without a name
// or an id, behind the first call that has none yet. It may be any JSON.
func TestResultsOfTools(t *testing.T) {
	const f, g = "<|start|>functions.f to=assistant<|channel|>commentary<|message|>", "<|start|>functions.g to=assistant<|channel|>commentary<|message|>"
	for results, want := range map[string][]string{
		`{"role": "tool", "tool_call_id": "b", "content": "2"}, {"role": "tool", "tool_call_id": "a", "content": "1"}`:       {f + "1<|end|>", g + "2<|end|>"},
		`{"role": "tool", "content": "1"}, {"role": "tool", "content": "2"}`:                                                 {f + "1<|end|>", g + "2<|end|>"},
		`{"role": "tool", "name": "g", "content": "2"}, {"role": "tool", "content": "1"}`:                                    {f + "1<|end|>", g + "2<|end|>"},
		`{"role": "tool", "name": "h", "content": "3"}`:                                                                      {"<|start|>functions.h to=assistant<|channel|>commentary<|message|>3<|end|>"},
		`{"role": "tool", "tool_call_id": "a", "content": {"rows": [1, 2]}}`:                                                 {f + `{"rows": [1, 2]}<|end|>`},
		`{"role": "tool", "tool_call_id": "a", "content": [{"row": 1}]}`:                                                     {f + `[{"row": 1}]<|end|>`},
		`{"role": "tool", "tool_call_id": "a", "content": 42}`:                                                               {f + "42<|end|>"},
		`{"role": "tool", "tool_call_id": "a", "content": ["x", {"type": "text", "text": "y"}]}`:                             {f + "x\ny<|end|>"},
		`{"role": "tool", "tool_call_id": "a", "content": null}`:                                                             {f + "<|end|>"},
		`{"role": "tool", "tool_call_id": "a", "content": "1"}, {"role": "tool", "tool_call_id": "a", "content": "1 again"}`: {f + "1<|end|>", f + "1 again<|end|>"},
	} {
		prompt := prompted(t, "chat/completions", `{"messages": [{"role": "user", "content": "x"}, `+calls+`, `+results+`]}`)
		for _, text := range want {
			require.Contains(t, prompt, text, results)
		}
	}
	prompt := prompted(t, "responses", `{"input": [{"role": "user", "content": "x"}, {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
		{"type": "function_call_output", "call_id": "a", "output": [{"row": 1}]}]}`)
	require.Contains(t, prompt, f+`[{"row": 1}]<|end|>`)
}

// TestInstructionsAsItems: an answer gives instructions back as items, and some
// clients send them so again.
func TestInstructionsAsItems(t *testing.T) {
	const developer = "<|start|>developer<|message|># Instructions\n\n"
	for instructions, want := range map[string]string{
		`"Be brief."`: developer + "Be brief.",
		`[{"type": "input_text", "text": "Be brief."}]`:                                                                         developer + "Be brief.",
		`[{"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]}]`:                  developer + "Be brief.",
		`[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]`: "<|start|>user<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b<|end|>",
		`[]`:   "<|start|>user<|message|>x",
		`null`: "<|start|>user<|message|>x",
	} {
		require.Contains(t, prompted(t, "responses", `{"input": "x", "instructions": `+instructions+`}`), want)
	}
	server, _ := start(t, &model{says: "<|channel|>final<|message|>ok<|return|>"})
	_, answer := post(t, server, "/v1/responses", `{"input": "x", "instructions": [{"role": "system", "content": "Be brief."}]}`)
	require.Contains(t, answer, `"instructions":[{"role":"system","content":"Be brief."}]`)
}

// TestItemsThatSetSomething: tools and settings may come in the course of a
// conversation.
func TestItemsThatSetSomething(t *testing.T) {
	const tools = `"tools": [{"type": "function", "name": "late", "parameters": {"type": "object"}}]`
	for _, kind := range []string{"additional_tools", "tool_search_output"} {
		require.Contains(t, prompted(t, "responses", `{"max_output_tokens": 40, "input": [{"role": "user", "content": "x"}, {"type": "`+kind+`", `+tools+`}], "tool_choice": {"type": "function", "name": "late"}}`), "type late = ")
	}
	require.Contains(t, prompted(t, "responses", `{"max_output_tokens": 40, "reasoning": {"effort": "low"}, "input": [{"role": "user", "content": "x"}, {"type": "configuration_update", "reasoning": {"effort": "high"},
		"text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}}}]}`), "Reasoning: high")
	add := func(tool string) string {
		return `{"max_tokens": 9, "tools": [{"name": "early", "input_schema": {}}], "messages": [{"role": "user", "content": "x"}, {"role": "system", "content": [` + tool + `]}]}`
	}
	prompt := prompted(t, "messages", add(`{"type": "tool_addition", "tool": {"type": "tool_definition", "definition": {"name": "late", "input_schema": {}}}}`))
	require.Contains(t, prompt, "type early = ")
	require.Contains(t, prompt, "type late = ")
	require.NotContains(t, prompted(t, "messages", add(`{"type": "tool_removal", "tool": {"type": "tool_reference", "name": "early"}}`)), "early")
}

// TestBlocksThatAreText: what can be read of Anthropic's contents is read.
func TestBlocksThatAreText(t *testing.T) {
	const use = `{"role": "user", "content": "x"}, {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]}, `
	for block, want := range map[string]string{
		`{"type": "tool_reference", "tool_name": "g"}`:                                                                                   "The tool g can be used.",
		`{"type": "search_result", "title": "T", "source": "http://s", "content": [{"type": "text", "text": "found"}]}`:                  "T\nhttp://s\nfound",
		`{"type": "document", "title": "D", "source": {"type": "text", "media_type": "text/plain", "data": "read"}}`:                     "D\nread",
		`{"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}}`: "a\nb",
		`{"type": "document", "source": {"type": "content", "content": "a"}}`:                                                            "a",
		`{"type": "browser_state", "tabs": []}`:                                                                                          `{"tabs":[]}`,
	} {
		prompt := prompted(t, "messages", `{"max_tokens": 9, "messages": [`+use+`{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [`+block+`]}]}]}`)
		require.Contains(t, prompt, "<|start|>functions.f to=assistant<|channel|>commentary<|message|>"+want+"<|end|>")
		require.Contains(t, prompted(t, "messages", `{"max_tokens": 9, "messages": [{"role": "user", "content": [`+block+`]}]}`), "<|start|>user<|message|>"+want+"<|end|>")
	}
	for content, want := range map[string]string{
		`{"rows": 1}`:            `{"rows": 1}`,
		`[{"type": "hologram"}]`: `[{"type": "hologram"}]`,
		`[{"type": "document", "title": "a.pdf", "source": {"type": "base64", "data": ""}}]`: "(Here is a file a.pdf. You can read text only and do not see it.)",
	} {
		prompt := prompted(t, "messages", `{"max_tokens": 9, "messages": [`+use+`{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": `+content+`}]}]}`)
		require.Contains(t, prompt, "<|message|>"+want+"<|end|>")
	}
	require.Contains(t, prompted(t, "messages", `{"max_tokens": 9, "messages": [{"role": "assistant", "content": [{"type": "compaction", "content": "They met."}]}, {"role": "user", "content": "x"}]}`),
		"<|start|>user<|message|>Summary of the conversation so far:\n\nThey met.<|end|>")
}

// A call of a tool without a schema comes back as it was told.
func TestCustomCallsInChats(t *testing.T) {
	require.Contains(t, prompted(t, "chat/completions", `{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [
		{"id": "a", "type": "custom", "custom": {"name": "f", "input": "say \"hi\""}}]}, {"role": "tool", "tool_call_id": "a", "content": "1"}]}`),
		`<|start|>assistant to=functions.f<|channel|>commentary <|constrain|>json<|message|>{"input":"say \"hi\""}<|call|>`)
}

// TestThreadsAreNotKept: a request that goes on with a conversation has only what is
// new of it. To answer it would be to answer something else.
func TestThreadsAreNotKept(t *testing.T) {
	server, _ := start(t, &model{says: thinking})
	ask := func(thread string) (int, string) {
		return post(t, server, "/v1/messages", `{"max_tokens": 50, "messages": [{"role": "user", "content": "x"}], "thread": `+thread+`}`)
	}
	for _, thread := range []string{"null", `{"type": "create"}`} {
		status, answer := ask(thread)
		require.Equal(t, 200, status, answer)
	}
	status, answer := ask(`{"type": "continue", "previous_message_id": "msg_1"}`)
	require.Equal(t, 404, status)
	require.Contains(t, answer, `"details":{"error_code":"thread_not_found"}`)
}
