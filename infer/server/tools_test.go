package server

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

const (
	weatherTool = `"tools": [{"type": "function", "function": {"name": "get_weather", "description": "Gets the weather.",
		"parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}},
		{"type": "web_search"}, {"type": "function", "function": {"name": "get_time"}}]`
	weatherCall = "<|channel|>analysis<|message|>Look it up.<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{\"city\": \"Paris\"}<|call|>"
)

func TestToolCall(t *testing.T) {
	for name, says := range map[string]string{
		"channel first": weatherCall,
		"role first":    strings.Replace(weatherCall, "<|channel|>commentary to=functions.get_weather", " to=functions.get_weather<|channel|>commentary", 1),
		"in analysis":   strings.Replace(weatherCall, "commentary", "analysis", 1),
		"no type":       strings.Replace(weatherCall, " <|constrain|>json", "", 1),
		"no message":    strings.Replace(weatherCall, "json<|message|>", "json ", 1),
		"adjacent":      strings.Replace(weatherCall, " <|constrain|>", "<|constrain|>", 1),
		"ended plainly": strings.Replace(weatherCall, "<|call|>", "<|end|><|return|>", 1),
	} {
		server, s := start(t, &model{says: says})
		c := chat(t, server, weatherTool)
		require.Equal(t, finishCalls, *c.Finish, name)
		require.Nil(t, c.Message.Content, name)
		require.Equal(t, "Look it up.", c.Message.Reasoning, name)
		require.Len(t, c.Message.ToolCalls, 1, name)
		call := c.Message.ToolCalls[0]
		require.Equal(t, "function", call.Type)
		require.True(t, strings.HasPrefix(call.ID, "call_"))
		require.Equal(t, "get_weather", call.Function.Name, name)
		require.Equal(t, `{"city": "Paris"}`, call.Function.Arguments, name)
		prompt := s.Tokens.Decode(s.life.current().(interface{ LastPrompt() []int }).LastPrompt())
		require.Contains(t, prompt, "Calls to these tools must go to the commentary channel: 'functions'.")
		require.Contains(t, prompt, "// Gets the weather.\ntype get_weather = (_: {\ncity: string,\n}) => any;\n\ntype get_time = () => any;")
	}
}

func TestSeveralCallsAndAPreamble(t *testing.T) {
	says := "<|channel|>commentary<|message|>I will look.<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather<|message|>{}<|call|>" +
		"<|start|>assistant<|channel|>commentary to=functions.get_time<|message|>{\"a\":1}<|call|><|start|>functions.get_time<|message|>noon<|end|>"
	server, _ := start(t, &model{says: says})
	c := chat(t, server, weatherTool)
	require.Equal(t, "I will look.", *c.Message.Content)
	require.Len(t, c.Message.ToolCalls, 2)
	require.Equal(t, finishCalls, *c.Finish)
	c = chat(t, server, weatherTool+`, "parallel_tool_calls": false`)
	require.Len(t, c.Message.ToolCalls, 1)

	all, last := events[chatCompletion](t, server, "/v1/chat/completions", `{"stream": true, "messages": [{"role": "user", "content": "x"}], `+weatherTool+`}`)
	require.Equal(t, "[DONE]", last)
	names, arguments := map[int]string{}, map[int]string{}
	for _, e := range all {
		for _, call := range e.Choices[0].Delta.ToolCalls {
			names[*call.Index] += call.Function.Name
			arguments[*call.Index] += call.Function.Arguments
			require.Equal(t, call.ID != "", call.Function.Name != "")
		}
	}
	require.Equal(t, map[int]string{0: "get_weather", 1: "get_time"}, names)
	require.Equal(t, map[int]string{0: "{}", 1: `{"a":1}`}, arguments)
	require.Equal(t, finishCalls, *all[len(all)-1].Choices[0].Finish)
}

// A tool loop as clients send it back: reasoning stays while the call is open,
// results stand behind their calls, and all is dropped when the turn has ended.
func TestToolLoopIsReplayed(t *testing.T) {
	m := &model{says: "<|channel|>final<|message|>Sunny.<|return|>"}
	server, _ := start(t, m)
	loop := `{"role": "system", "content": ""}, {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather?"},
		{"role": "assistant", "content": null, "refusal": null, "annotations": [], "audio": null, "function_call": null, "parsed": null,
			"reasoning": "Look it up.", "reasoning_content": "Look it up.", "tool_calls": [
			{"index": 0, "id": "a", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\": \"Paris\"}", "parsed_arguments": null}},
			{"id": "b", "type": "function", "function": {"name": "get_time", "arguments": ""}}]},
		{"role": "tool", "tool_call_id": "b", "content": "noon"}, {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "sun"}]}`
	ask := func(more string) string {
		c := postOK[chatCompletion](t, server, "/v1/chat/completions", `{"messages": [`+loop+more+`], `+weatherTool+`, "store": null, "metadata": null, "user": null,
			"parallel_tool_calls": null, "stream_options": null, "stop": null, "n": null, "logit_bias": null, "seed": -1, "top_p": null, "max_tokens": null,
			"response_format": null, "tool_choice": null, "service_tier": "auto", "prompt_cache_key": "k", "keep_alive": 5}`)
		require.Equal(t, "Sunny.", *c.Choices[0].Message.Content)
		_, text, _ := strings.Cut(m.Tokens.Decode(m.LastPrompt()), "<|start|>user<|message|>")
		return text
	}
	calls := `<|start|>assistant to=functions.get_weather<|channel|>commentary <|constrain|>json<|message|>{"city": "Paris"}<|call|>` +
		"<|start|>functions.get_weather to=assistant<|channel|>commentary<|message|>sun<|end|>" +
		"<|start|>assistant to=functions.get_time<|channel|>commentary <|constrain|>json<|message|><|call|>" +
		"<|start|>functions.get_time to=assistant<|channel|>commentary<|message|>noon<|end|>"
	require.Equal(t, "Weather?<|end|><|start|>assistant<|channel|>analysis<|message|>Look it up.<|end|>"+calls+"<|start|>assistant", ask(""))
	require.Equal(t, 1, strings.Count(m.Tokens.Decode(m.LastPrompt()), "# Instructions\n\nBe brief.\n\n# Tools"))
	require.Equal(t, "Weather?<|end|>"+calls+"<|start|>assistant<|channel|>final<|message|>Sunny.<|end|><|start|>user<|message|>Thanks<|end|><|start|>assistant",
		ask(`, {"role": "assistant", "content": "Sunny.", "reasoning": "It said sun."}, {"role": "user", "content": "Thanks"}`))
}

// TestOddAnswers: what a model may write beside the format, and what clients see.
func TestOddAnswers(t *testing.T) {
	for says, want := range map[string]struct{ content, reasoning string }{
		"<|channel|>final\n  if x:\n\tgo()<|return|>":                                                                                                  {"  if x:\n\tgo()", ""},
		"<|channel|>We need to think<|end|><|start|>assistant<|channel|>final<|message|>4<|return|>":                                                   {"4", "We need to think"},
		"<|channel|>final json<|message|>{}<|return|>":                                                                                                 {"{}", ""},
		"<|channel|>final to=all<|message|>x<|return|>":                                                                                                {"x", ""},
		"<|channel|>final to=functions.get_weather<|message|>x<|return|>":                                                                              {"x", ""},
		"<|channel|>final<|message|>x<|end|><|start|>user<|message|>And you?<|end|>":                                                                   {"x", ""},
		"<|channel|>final<|message|>x<|end|><|start|>system<|message|>secret":                                                                          {"x", ""},
		"<|channel|>commentary<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>":                                             {"a\n\nb", ""},
		"<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>analysis<|message|>b<|end|><|start|>assistant<|channel|>final<|message|>c": {"c", "a\n\nb"},
		"<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"a\":1}<|call|>":                                                           {`functions.f({"a":1})`, ""},
		"<|channel|>commentary to=browser.search<|message|>{}<|call|>":                                                                                 {"browser.search({})", ""},
		"<|channel|>commentary json<|message|>{}<|end|><|return|>":                                                                                     {"{}", ""},
		"just text<|return|>": {"just text", ""},
	} {
		server, _ := start(t, &model{says: says})
		for _, stream := range []bool{false, true} {
			var c chatChoiceOut
			var content, reasoning string
			if stream {
				all, _ := events[chatCompletion](t, server, "/v1/chat/completions", `{"stream": true, "messages": [{"role": "user", "content": "x"}]}`)
				for _, e := range all {
					var text string
					_ = json.Unmarshal(e.Choices[0].Delta.Content, &text)
					content, reasoning, c = content+text, reasoning+e.Choices[0].Delta.Reasoning, e.Choices[0]
				}
			} else {
				c = chat(t, server, `"n": 1`)
				content, reasoning = *c.Message.Content, c.Message.Reasoning
			}
			require.Equal(t, want.content, content, says)
			require.Equal(t, want.reasoning, reasoning, says)
			require.Equal(t, finishStop, *c.Finish, says)
		}
	}
}

// A turn that ends without an answer is led on to one.
func TestNoEmptySuccess(t *testing.T) {
	for _, says := range []string{
		"", "<|return|>", "<|channel|>analysis<|message|>Hm.<|return|>", "<|channel|>analysis<|message|>Hm.<|end|>stray", "<|call|>",
		"<|message|>  <|return|>", "<|channel|>final<|message|><|return|>", "<|start|>user<|message|>Hello", "<|end|><|end|><|return|>", "<|channel|>",
		"<|channel|>analysis<|message|>Hm.<|end|><|start|>functions.f to=assistant<|message|>x<|end|>",
	} {
		m := &model{says: says}
		server, _ := start(t, m)
		c := chat(t, server, `"temperature": 0`)
		require.NotEmpty(t, strings.TrimSpace(*c.Message.Content), says)
		require.Equal(t, finishStop, *c.Finish)
		c = chat(t, server, `"max_tokens": 1`)
		require.Equal(t, *c.Message.Content == "", *c.Finish == finishLength, says)
	}
}
