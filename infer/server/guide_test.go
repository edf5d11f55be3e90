package server

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

const (
	pointSchema = `{"type": "object", "properties": {"x": {"type": "integer"}, "on": {"type": "boolean"}}, "required": ["x", "on"], "additionalProperties": false}`
	pointFormat = `"response_format": {"type": "json_schema", "json_schema": {"name": "point", "schema": ` + pointSchema + `}}`
)

// Whatever the model would say, an answer has the form that was asked for, and
// thoughts are free.
func TestFormatBindsTheAnswer(t *testing.T) {
	for _, says := range []string{
		"", "no JSON at all<|return|>", "<|channel|>analysis<|message|>Let me think: {.<|end|><|start|>assistant<|channel|>final<|message|>{\"x\":12,\"on\":true}<|return|>",
		"<|channel|>final<|message|>{\"x\":12,\"on\":true} and more<|return|>", "<|channel|>commentary to=functions.f<|message|>{}<|call|>",
	} {
		m := &model{says: says}
		server, _ := start(t, m)
		c := chat(t, server, `"temperature": 0, "max_tokens": 300, `+pointFormat)
		var v struct {
			X  *int  `json:"x"`
			On *bool `json:"on"`
		}
		require.NoError(t, json.Unmarshal([]byte(*c.Message.Content), &v, json.RejectUnknownMembers(true)), "%s: %s", says, *c.Message.Content)
		require.NotNil(t, v.X)
		require.NotNil(t, v.On)
		require.Equal(t, finishStop, *c.Finish)
		require.Contains(t, m.Tokens.Decode(m.LastPrompt()), "# Response Formats\n\n## point\n\n{\"type\":\"object\"")
		if strings.Contains(says, "analysis") {
			require.Equal(t, "Let me think: {.", c.Message.Reasoning)
			require.Equal(t, `{"x":12,"on":true}`, *c.Message.Content)
		}
	}
}

func TestForcedCalls(t *testing.T) {
	tools := `"tools": [{"type": "function", "function": {"name": "f", "strict": true, "parameters": ` + pointSchema + `}}, {"type": "function", "function": {"name": "g"}}]`
	for _, says := range []string{"", "Hello<|return|>", "<|channel|>analysis<|message|>Hm.<|return|>", "<|channel|>final<|message|>No.<|return|>"} {
		server, _ := start(t, &model{says: says})
		c := chat(t, server, `"temperature": 0, "max_tokens": 300, "tool_choice": {"type": "function", "function": {"name": "f"}}, `+tools)
		require.Len(t, c.Message.ToolCalls, 1, says)
		require.Equal(t, "f", c.Message.ToolCalls[0].Function.Name)
		require.NoError(t, json.Unmarshal([]byte(c.Message.ToolCalls[0].Function.Arguments), new(struct {
			X  int  `json:"x"`
			On bool `json:"on"`
		}), json.RejectUnknownMembers(true)), says)
		require.Equal(t, finishCalls, *c.Finish)
		c = chat(t, server, `"temperature": 0, "max_tokens": 300, "tool_choice": "required", `+tools)
		require.Len(t, c.Message.ToolCalls, 1, says)
	}
	// Nothing is offered where no call is wanted.
	m := &model{says: "<|channel|>final<|message|>No.<|return|>"}
	server, _ := start(t, m)
	chat(t, server, `"tool_choice": "none", `+tools)
	require.NotContains(t, m.Tokens.Decode(m.LastPrompt()), "namespace")
	// A strict tool that the model calls by itself is bound as well.
	server, _ = start(t, &model{says: "<|channel|>commentary to=functions.f<|message|>{\"x\":1,\"y\":2}<|call|>"})
	c := chat(t, server, `"temperature": 0, "max_tokens": 300, `+tools)
	require.NotContains(t, c.Message.ToolCalls[0].Function.Arguments, `"y"`)
	require.Contains(t, c.Message.ToolCalls[0].Function.Arguments, `"on"`)
}

func TestGrammars(t *testing.T) {
	server, _ := start(t, &model{says: "<|channel|>final<|message|>maybe<|return|>"})
	c := chat(t, server, `"temperature": 0, "grammar": "root ::= \"yes\" | \"no\""`)
	require.Contains(t, []string{"yes", "no"}, *c.Message.Content)
	text := postOK[completion](t, server, "/v1/completions", `{"prompt": "x", "grammar": "root ::= \"yes\" | \"no\""}`)
	require.Contains(t, []string{"yes", "no"}, text.Choices[0].Text)
	require.Equal(t, finishStop, *text.Choices[0].Finish)
	for fields, want := range map[string]string{
		`"grammar": "root ::= ("`: `"param":"grammar"`, `"grammar": "x ::= y"`: `"param":"grammar"`,
		`"response_format": {"type": "json_schema", "json_schema": {"schema": {"not": {}}}}`: `"message":"response_format: schema at #: not: `,
		`"json_schema": {"not": {}}`: `"message":"json_schema: schema at #: not: `,
		`"tools": [{"type": "x"}, {"type": "function", "function": {"name": "f", "strict": true, "parameters": {"type": "object", "not": {}}}}]`: `"message":"tools[1].function: schema at #: not: `,
	} {
		status, answer := post(t, server, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], `+fields+`}`)
		require.Equal(t, 400, status, fields)
		require.Contains(t, answer, want)
	}
}
