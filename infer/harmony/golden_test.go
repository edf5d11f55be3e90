package harmony

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// golden returns a text of the format's reference implementation (openai/harmony,
// test-data and tests). Left out are its two built-in tools, which no request of
// ours can offer.
func golden(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/golden", name+".txt"))
	require.NoError(t, err)
	return strings.TrimRight(string(text), "\n")
}

func call(name, contentType, arguments string) Message {
	return Message{Header{Role: Assistant, Recipient: "functions." + name, Channel: Commentary, ContentType: contentType}, arguments}
}

func TestRenderGolden(t *testing.T) {
	system := func(s SystemContent) Message { return s.Message() }
	reasoning := []string{Analysis, Final}
	for name, messages := range map[string][]Message{
		"simple_convo":             {system(SystemContent{Effort: Medium}), user("What is 2 + 2?")},
		"low_effort":               {system(SystemContent{Effort: Low}), DeveloperMessage("Answer the user's questions like a robot."), user("What is the capital of the largest country in the world?")},
		"reasoning_system_message": {system(SystemContent{Effort: Medium, Channels: reasoning}), user("What is 2 + 2?")},
		"reasoning_with_dates": {
			system(SystemContent{Effort: Medium, Channels: reasoning, Date: "2021-01-01", Cutoff: "2021-01"}), user("What is 42 * pi?"),
		},
		"functions": {
			system(SystemContent{Effort: High, Date: "2025-06-28", Functions: true}),
			DeveloperContent{Instructions: "Always respond in riddles", Tools: goldenTools}.Message(), user("What is the weather like in SF?"),
		},
		"dropping_cot": {
			user("What is 2 + 2?"), reply(Analysis, "User asks: “What is 2 + 2?” Simple arithmetic. Provide answer."),
			reply(Final, "2 + 2 equals 4."), user("What about 9 / 2?"),
		},
		"ongoing_analysis": {
			user("What is the weather in SF?"), reply(Analysis, "User asks: “What is the weather in SF?” We need to use lookup_weather tool."),
			call("lookup_weather", "<|constrain|>json", `{"location": "San Francisco"}`),
			{Header{Role: Tool, Name: "functions.lookup_weather"}, `{"temperature": 20, "description": "sunny"}`},
		},
		"multi_turn": {
			{Header{Role: Developer}, "You are a helpful assistant that analyzes code."},
			user("Can you help?"), reply(Analysis, "They want help."), reply(Final, "Would you like versions?"),
			user("Yes, and benchmark them"), reply(Analysis, "Benchmark."), reply(Final, "I'll benchmark both."),
			user("Run the benchmark for n=30"), reply(Analysis, "I need to execute Python code."), call("python", "", `{"code": "1"}`),
		},
	} {
		ids, err := o200k(t).Prompt(messages)
		require.NoError(t, err)
		require.Equal(t, golden(t, name), textOf(o200k(t), ids), name)
		require.Equal(t, o200k(t).tokens.EncodeSpecial(golden(t, name)), ids, name)
	}
	ids, err := o200k(t).Render([]Message{
		user("What is 2 + 2?"), reply(Analysis, "thinking 2+2"), reply(Final, "4"),
		user("What is 3 + 5?"), reply(Analysis, "thinking 3+5"), reply(Final, "8"),
	})
	require.NoError(t, err)
	require.Equal(t, golden(t, "keep_analysis_between_finals"), textOf(o200k(t), ids))
}

var goldenTools = []Function{
	{"get_location", "Gets the location of the user.", nil},
	{"get_current_weather", "Gets the current weather in the provided location.", []byte(`{"type": "object", "properties": {
		"location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
		"format": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"}}, "required": ["location"]}`)},
	{"get_multiple_weathers", "Gets the current weather in the provided list of locations.", []byte(`{"type": "object", "properties": {
		"locations": {"type": "array", "items": {"type": "string"}, "description": "List of city and state, e.g. [\"San Francisco, CA\", \"New York, NY\"]"},
		"format": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"}}, "required": ["locations"]}`)},
	{"kitchensink", "A function with various complex schemas.", []byte(`{"description": "params object", "type": "object", "properties": {
		"string": {"type": "string", "title": "STRING", "description": "A string", "examples": ["hello", "world"]},
		"string_nullable": {"type": "string", "nullable": true, "description": "A nullable string", "default": "the default"},
		"string_enum": {"type": "string", "enum": ["a", "b", "c"]},
		"oneof_string_or_number": {"oneOf": [{"type": "string", "default": "default_string_in_oneof"},
			{"type": "number", "description": "numbers can happen too"}], "description": "a oneof", "default": 20}}}`)},
}

// What the reference's dialect lacks is written as TypeScript has it.
func TestSignatures(t *testing.T) {
	for schema, want := range map[string]string{
		``:                                     "()",
		`null`:                                 "()",
		`{}`:                                   "(_: any)",
		`{"type": "object", "properties": {}}`: "()",
		`{"properties": {"a": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}`:                             "(_: {\na?: number | null,\n})",
		`{"properties": {"a": {"type": ["string", "null"], "default": null}}}`:                                  "(_: {\na?: string | null, // default: null\n})",
		`{"properties": {"a": {"const": "x"}, "b": {"enum": [1, null, "y"]}}}`:                                  "(_: {\na?: \"x\",\nb?: 1 | null | \"y\",\n})",
		`{"properties": {"a": {"$ref": "#/$defs/t"}}, "$defs": {"t": {"type": "boolean"}}}`:                     "(_: {\na?: boolean,\n})",
		`{"properties": {"a": {"type": "array", "items": {"enum": ["x", "y"]}}, "b": {"type": "array"}}}`:       "(_: {\na?: (\"x\" | \"y\")[],\nb?: Array<any>,\n})",
		`{"properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}}}, "required": ["a"]}`: "(_: {\na: {\n    b?: string,\n    },\n})",
		`{"properties": {"a": {"description": "one\ntwo", "type": "string"}}}`:                                  "(_: {\n// one\n// two\na?: string,\n})",
	} {
		require.Equal(t, want, signature([]byte(schema)), schema)
	}
	self := `{"properties": {"a": {"$ref": "#"}}}`
	require.Less(t, len(signature([]byte(self))), 2000)
	require.Contains(t, signature([]byte(self)), "any")
}

func TestParseGoldenCases(t *testing.T) {
	e := o200k(t)
	weather := call("get_weather", "<|constrain|>json", `{"latitude":48.8566,"longitude":2.3522}`)
	for text, want := range map[string][]Message{
		"<|start|>assistant<|channel|>commentary to=functions.get_weather<|constrain|>json<|message|>" + weather.Content + "<|call|>": {weather},
		"<|start|>assistant to=functions.get_weather<|channel|>commentary<|constrain|>json<|message|>" + weather.Content + "<|end|>":  {weather},
		"<|start|>browser.search to=assistant<|channel|>commentary<|message|>{\"result\": \"https://openai.com/\"}<|end|>": {
			{Header{Role: Tool, Name: "browser.search", Recipient: "assistant", Channel: Commentary}, `{"result": "https://openai.com/"}`},
		},
		"<|start|>assistant<|channel|>final <|constrain|>json<|message|>{\"result\":true}<|return|>": {
			{Header{Role: Assistant, Channel: Final, ContentType: "<|constrain|>json"}, `{"result":true}`},
		},
		"<|start|>assistant<|channel|>analysis to=lookup_weather code<|message|>{}<|call|>": {
			{Header{Role: Assistant, Channel: Analysis, Recipient: "lookup_weather", ContentType: "code"}, "{}"},
		},
		"<|start|>assistant<|channel|>commentary Hello<|end|>": {reply(Commentary, "Hello")},
		"<|start|>assistant I must refuse<|end|><|start|>assistant<|channel|>analysis<|message|>We must refuse<|end|>" +
			"<|start|>assistant<|channel|>final<|message|>I'm sorry<|return|>": {reply("", "I must refuse"), reply(Analysis, "We must refuse"), reply(Final, "I'm sorry")},
		"<|start|>assistant<|channel|>analysis I must refuse<|end|>": {reply(Analysis, "I must refuse")},
		"<|start|>assistant ... Let's use the tool.<|end|><|start|>assistant to=functions.get_weather<|channel|>commentary json<|message|>{}<|call|>": {
			reply("", "... Let's use the tool."), call("get_weather", "json", "{}"),
		},
	} {
		require.Equal(t, want, parse(t, &Parser{e: e}, e.tokens.EncodeSpecial(text)), text)
	}
	// Token 9552 is a blank and the first half of a character.
	content := func(ids ...int) []int { return append(e.tokens.EncodeSpecial("<|message|>"), ids...) }
	with := func(text string, ids ...int) []int { return append(content(ids...), e.tokens.EncodeSpecial(text)...) }
	require.Equal(t, []Message{reply("", " \ufffd \ufffdworked")}, parse(t, e.NewParser(), with("worked<|end|>", 9552, 9552)))
	require.Equal(t, []Message{reply("", " \ufffdXY")}, parse(t, e.NewParser(), with("XY<|end|>", 9552)))
	require.Equal(t, []Message{reply("", " \ufffd"), reply("", "Hi")},
		parse(t, e.NewParser(), with("<|end|><|start|>assistant<|message|>Hi<|end|>", 9552)))
	require.Equal(t, []Message{reply("", " \ufffdHi")}, parse(t, e.NewParser(), with("Hi", 9552)))
}

// An answer whose header never ends is seen as it comes.
func TestBrokenHeaderIsStreamed(t *testing.T) {
	e := o200k(t)
	p := e.NewParser()
	text := strings.Repeat("  line\n", 100)
	var seen int
	for _, id := range e.tokens.EncodeSpecial("<|channel|>final\n" + text) {
		more, err := p.Push(id)
		require.NoError(t, err)
		seen += len(more)
	}
	require.Greater(t, seen, len(text)/2)
	p.Finish()
	require.Equal(t, []Message{reply(Final, text)}, p.Messages())
}
