package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"testing"
	"time"

	"expertfs/infer"
	"expertfs/infer/harmony"
	"expertfs/infer/server"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// TestStructuredOutput has the tiny model answer, and call a tool, by random
// schemas, and asks another implementation whether the results are valid. The
// variable GPTOSS_RANDOM asks for more than a few.
func TestStructuredOutput(t *testing.T) {
	n := 20
	if v, err := strconv.Atoi(os.Getenv("GPTOSS_RANDOM")); err == nil {
		n = v
	}
	// One thread does not wait for another on a busy machine.
	chats, err := prepareChatModel(&modelFlags{dir: tinyTree(t), mapBytes: "auto", options: infer.Options{Threads: 1}},
		&conversationFlags{systemMessage: "off", date: "none"}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	m := &servedModel{chatModel: chats, share: &shareFlags{parallel: 2, kvRAM: "auto", keep: 1}}
	require.NoError(t, m.load())
	defer func() { require.NoError(t, m.close()) }()
	chat, err := harmony.NewEncoding(m.tokens)
	require.NoError(t, err)
	s := &server.Server{
		Model: "whale", Tokens: m.tokens, Chat: chat, Waiting: 4, Patience: time.Minute, Comments: time.Minute, System: m.opening,
		Log: slog.New(slog.DiscardHandler),
	}
	web := httptest.NewServer(s.Handler())
	defer web.Close()
	s.Ready(m)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range n {
		schema := randomSchema(r, 0)
		for { // the model is shown the schema, and its context is small
			if text, err := json.Marshal(schema); err == nil && len(text) < 600 {
				break
			}
			schema = randomSchema(r, 0)
		}
		request := map[string]any{
			"messages": []any{map[string]any{"role": "user", "content": "x"}}, "seed": i, "max_tokens": 4000, "temperature": 0.5 + r.Float64(),
		}
		if i%2 == 0 {
			request["response_format"] = map[string]any{"type": "json_schema", "json_schema": map[string]any{"name": "a", "schema": schema, "strict": true}}
		} else {
			request["tools"] = []any{map[string]any{"type": "function", "function": map[string]any{"name": "f", "parameters": schema, "strict": true}}}
			request["tool_choice"] = "required"
		}
		requireValid(t, schema, askJSON(t, web.URL, request))
	}
}

// askJSON returns the content or the arguments of the answer.
func askJSON(t *testing.T, url string, request any) string {
	body, err := json.Marshal(request)
	require.NoError(t, err)
	resp, err := http.Post(url+"/v1/chat/completions", "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s\n%s", body, text)
	var answer struct {
		Choices []struct {
			Finish  string `json:"finish_reason"`
			Message struct {
				Content   string
				ToolCalls []struct{ Function struct{ Arguments string } } `json:"tool_calls"`
			}
		}
	}
	require.NoError(t, json.Unmarshal(text, &answer))
	c := answer.Choices[0]
	require.NotEqual(t, "length", c.Finish, "%s\n%s", body, text)
	if len(c.Message.ToolCalls) > 0 {
		return c.Message.ToolCalls[0].Function.Arguments
	}
	return c.Message.Content
}

func requireValid(t *testing.T, schema any, text string) {
	t.Helper()
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("schema.json", schema))
	compiled, err := c.Compile("schema.json")
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(text)))
	require.NoError(t, err, text)
	require.NoError(t, compiled.Validate(value), "%v\n%s", schema, text)
}

// randomSchema describes an object whose size is bounded.
func randomSchema(r *rand.Rand, depth int) any {
	properties, required := map[string]any{}, []any{}
	for i := range 1 + r.IntN(3) {
		name := fmt.Sprintf("p%d", i)
		properties[name] = randomType(r, depth+1)
		if r.IntN(3) > 0 {
			required = append(required, name)
		}
	}
	return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

func randomType(r *rand.Rand, depth int) any {
	number := func(n int) json.Number { return json.Number(strconv.Itoa(n)) }
	kinds := 8
	if depth > 2 {
		kinds = 6
	}
	switch r.IntN(kinds) {
	case 0:
		return map[string]any{"type": "boolean"}
	case 1:
		return map[string]any{"type": "integer", "minimum": number(-5), "maximum": number(r.IntN(1000))}
	case 2:
		return map[string]any{"type": "string", "maxLength": number(1 + r.IntN(12))}
	case 3:
		return map[string]any{"enum": []any{"a", nil, number(7), "b c"}}
	case 4:
		return map[string]any{"anyOf": []any{map[string]any{"type": "null"}, map[string]any{"type": "number"}}}
	case 5:
		return map[string]any{"type": "string", "pattern": "^[a-c]{2}-[0-9]{1,3}$"}
	case 6:
		return map[string]any{"type": "array", "items": randomType(r, depth+1), "minItems": number(r.IntN(2)), "maxItems": number(2 + r.IntN(2))}
	}
	return randomSchema(r, depth)
}
