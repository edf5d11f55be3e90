package server

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Requests of millions of small entries are refused before they take memory: two
// bytes can be a message.
func TestManyEntriesCostLittle(t *testing.T) {
	server, _ := start(t, &model{says: "<|channel|>final<|message|>ok<|return|>"})
	many := func(head, entry, tail string) string {
		return head + strings.Repeat(entry+",", (4<<20)/(len(entry)+1)) + entry + tail
	}
	found := func(content string) string {
		return `{"max_tokens": 1, "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f"}]},
			{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": ` + content + `}]}]}`
	}
	within := func(n int, head, inner, tail string) string {
		return strings.Repeat(head, n) + inner + strings.Repeat(tail, n)
	}
	leaf := `"` + strings.Repeat("a", 2<<20) + `"`
	const user = `{"messages": [{"role": "user", "content": "x"}], `
	for _, c := range []struct{ path, body, want string }{
		{"chat/completions", many(`{"messages": [`, `{}`, `]}`), "more than 32768 messages"},
		{"chat/completions", many(`{"messages": [`, `null`, `]}`), "more than 32768 messages"},
		{"chat/completions", many(`{"messages": [`, `{"role": "user", "content": "a"}`, `]}`), "more than 32768 messages"},
		{"chat/completions", many(`{"messages": [{"role": "user", "content": [`, `{"type": "text"}`, `]}]}`), "more than 32768 messages"},
		{"chat/completions", many(`{"messages": [{"role": "assistant", "tool_calls": [`, `{}`, `]}]}`), "more than 32768 messages"},
		{"chat/completions", many(user+`"tools": [`, `{}`, `]}`), "more than 32768 messages"},
		{"chat/completions", many(user+`"stop": [`, `""`, `]}`), "more than 256 entries"},
		{"chat/completions", many(user+`"modalities": [`, `""`, `]}`), "more than 256 entries"},
		{"chat/completions", many(user+`"logit_bias": [`, `[1,1]`, `]}`), "more than 65536 entries"},
		{"completions", many(`{"prompt": [`, `""`, `]}`), "more than 2048 entries"},
		{"completions", many(`{"prompt": [`, `1`, `]}`), "more than 262144 entries"},
		{"responses", many(`{"input": [`, `{}`, `]}`), "more than 32768 messages"},
		{"responses", many(`{"input": "x", "tools": [`, `{}`, `]}`), "more than 32768 messages"},
		{"responses", many(`{"input": "x", "include": [`, `""`, `]}`), "more than 256 entries"},
		{"messages", many(`{"max_tokens": 1, "messages": [`, `{}`, `]}`), "more than 32768 messages"},
		{"messages", many(`{"max_tokens": 1, "messages": [{"role": "user", "content": [`, `{}`, `]}]}`), "more than 32768 messages"},
		{"messages", many(`{"max_tokens": 1, "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f"}]},
			{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [`, `{}`, `]}]}]}`), "more than 32768 messages"},
		{"chat/completions", many(`{"messages": [{"role": "tool", "content": [`, `""`, `]}]}`), "more than 32768 messages"},
		{"responses", many(`{"input": "x", "instructions": [`, `{}`, `]}`), "more than 32768 messages"},
		{"messages", many(`{"max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "content", "content": [`, `{}`, `]}}]}]}`), "more than 32768 messages"},
		{"chat/completions", many(user+`"tools": [{"function": {"name": "f", "parameters": {"x": [`, `1`, `]}}}]}`), "more than 2097152 bytes"},
		{"chat/completions", many(user+`"response_format": {"type": "json_schema", "json_schema": {"schema": {"x": [`, `1`, `]}}}}`), "more than 2097152 bytes"},
		{"messages", found(within(100, `[{"type": "search_result", "source": "s", "content": `, leaf, `}]`)),
			`messages[2].content[0].content[0].content[0]: content of type \"search_result\" is not supported, only text`},
		{"messages", found(within(100, `[{"type": "document", "source": {"type": "content", "content": `, leaf, `}}]`)), `content of type \"document\" is not supported`},
		{"messages", found(many(`[`, `{"type": "search_result", "source": "s", "content": [`+strings.Repeat(`{"type": "text"},`, 1000)+`{"type": "text"}]}`, `]`)), "more than 32768 messages"},
		{"messages", `{"messages": [{"role": "user", "content": ` + within(2000, `[{"type": "compaction", "tool_changes": `, `[]`, `}]`) + `}]}`,
			"messages[0].content[0].tool_changes[0]: a compaction within a compaction is not supported"},
		{"responses", many(`{"input": [`, `{"type": "additional_tools", "tools": [`+strings.Repeat(`{"type": "web_search"},`, 1000)+`{"type": "web_search"}]}`, `]}`), "more than 32768 messages"},
		{"chat/completions", many(user+`"tool_choice": {"type": "allowed_tools", "tools": [`, `{}`, `]}}`), "tool_choice: the list has more than 1024 entries"},
		{"chat/completions", `{"metadata": ` + strings.Repeat("[", 100000), "not valid JSON"},
		{"detokenize", many(`{"tokens": [`, `1`, `]}`), "more than 1048576 entries"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		status, answer := post(t, server, "/v1/"+c.path, c.body)
		runtime.ReadMemStats(&after)
		require.Equal(t, 400, status, c.body[:80])
		require.Contains(t, answer, c.want, c.body[:80])
		require.Less(t, len(answer), 1000)
		require.Less(t, (after.TotalAlloc-before.TotalAlloc)>>20, uint64(150), c.body[:80])
	}
}

// A long conversation is no such request.
func TestLongConversations(t *testing.T) {
	m := &model{says: "<|channel|>final<|message|>ok<|return|>"}
	server, _ := start(t, m)
	m.Room = 131072
	body := `{"messages": [` + strings.Repeat(`{"role": "user", "content": [{"type": "text", "text": "a"}]}, `, 10000) + `{"role": "user", "content": "x"}]}`
	status, answer := post(t, server, "/v1/chat/completions", body)
	require.Equal(t, 200, status, answer)
}

// Many references to one item do not multiply it.
func TestReferencesCostLittle(t *testing.T) {
	server, s := start(t, &model{says: "<|channel|>final<|message|>ok<|return|>"})
	s.recent.mu.Lock()
	s.recent.items = map[string]string{"a": `{"type": "message", "role": "assistant", "content": "` + strings.Repeat("a", 1<<20) + `"}`}
	s.recent.mu.Unlock()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	status, answer := post(t, server, "/v1/responses", `{"input": [`+strings.Repeat(`{"type": "item_reference", "id": "a"},`, 1000)+`{"role": "user", "content": "x"}]}`)
	runtime.ReadMemStats(&after)
	require.Equal(t, 400, status, answer)
	require.Contains(t, answer, "input: the items that it refers to have more than 8388608 bytes")
	require.Less(t, (after.TotalAlloc-before.TotalAlloc)>>20, uint64(150))
}
