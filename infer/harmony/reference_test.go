package harmony

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The cases of the reference implementation that golden_test.go does not have as
// files. Different here, on purpose:
//
//   - Its tools browser and python are not rendered: no request can offer them.
//   - Reasoning of ended turns is always dropped; auto_drop_analysis=False, which
//     shows it, is what the published models were not trained on.
//   - A conversation ends with <|end|>; <|return|> at its end is for training.
//   - The parser is never strict: an answer that is broken is still an answer.
//   - Ids outside of the vocabulary decode as U+FFFD; the reference raises an error.
func TestReferenceRenders(t *testing.T) {
	e := o200k(t)
	system := func(effort, date, rest string) string {
		if date != "" {
			date = "Current date: " + date + "\n"
		}
		return "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06\n" + date +
			"\nReasoning: " + effort + "\n\n# Valid channels: " + rest + ". Channel must be included for every message."
	}
	const all, question = "analysis, commentary, final", "What is the capital of the largest country in the world?"
	for _, effort := range []Effort{Low, Medium, High} {
		for _, instructions := range []string{"", "Answer the user's questions like a robot."} {
			messages := []Message{SystemContent{Effort: effort}.Message(), DeveloperMessage(instructions), user(question)}
			want := system(string(effort), "", all) + "<|end|>"
			if instructions == "" {
				messages = append(messages[:1], messages[2])
			} else {
				want += "<|start|>developer<|message|># Instructions\n\n" + instructions + "<|end|>"
			}
			ids, err := e.Prompt(messages)
			require.NoError(t, err)
			require.Equal(t, want+"<|start|>user<|message|>"+question+"<|end|><|start|>assistant", textOf(e, ids))
		}
	}
	for want, messages := range map[string][]Message{
		system("medium", "2025-06-28", all) + "<|end|><|start|>assistant": {SystemMessage(Medium, "2025-06-28")},
		system("high", "", "analysis, final") + "<|end|><|start|>user<|message|>Candy?<|end|><|start|>assistant": {
			SystemContent{Effort: High, Channels: []string{Analysis, Final}}.Message(), user("Candy?"),
		},
		"<|start|>developer<|message|># Tools\n\n## functions\n\nnamespace functions {\n\n// Use this tool to lookup the weather.\n" +
			"type lookup_weather = (_: {\nlocation: string,\n}) => any;\n\n} // namespace functions<|end|><|start|>assistant": {
			DeveloperContent{Tools: []Function{{"lookup_weather", "Use this tool to lookup the weather.",
				[]byte(`{"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}`)}}}.Message(),
		},
	} {
		ids, err := e.Prompt(messages)
		require.NoError(t, err)
		require.Equal(t, want, textOf(e, ids))
	}
}

// What is rendered is parsed as it was, and the other way round.
func TestReferenceRoundTrips(t *testing.T) {
	e := o200k(t)
	for text, want := range map[string]Message{
		"<|start|>user<|message|>Hello<|end|>": user("Hello"),
		"<|start|>assistant to=functions.get_weather<|channel|>commentary <|constrain|>json<|message|>{\"location\": \"Tokyo\"}<|call|>": call("get_weather", "<|constrain|>json", `{"location": "Tokyo"}`),
		"<|start|>browser.search to=assistant<|channel|>commentary<|message|>{\"result\": \"https://openai.com/\"}<|end|>":               {Header{Role: Tool, Name: "browser.search", Recipient: "assistant", Channel: Commentary}, `{"result": "https://openai.com/"}`},
		"<|start|>assistant<|channel|>final<|message|>Müller, Γειά σου, שלום, नमस्ते, 안녕하세요, naïve, 😊👋🏾👨\u200d👩\u200d👧\u200d👦🇺🇸.<|end|>": reply(Final, "Müller, Γειά σου, שלום, नमस्ते, 안녕하세요, naïve, 😊👋🏾👨\u200d👩\u200d👧\u200d👦🇺🇸."),
	} {
		ids := e.tokens.EncodeSpecial(text)
		require.Equal(t, []Message{want}, parse(t, &Parser{e: e}, ids), text)
		rendered, err := e.Render([]Message{want})
		require.NoError(t, err)
		require.Equal(t, ids, rendered, text)
	}
	before, after := []Message{user("hi"), reply(Final, "hello")}, []Message{user("hi")}
	whole, err := e.Render(before)
	require.NoError(t, err)
	prompt, err := e.Prompt(after)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(textOf(e, whole), strings.TrimSuffix(textOf(e, prompt), "<|start|>assistant")))
}

// A call of a tool as the model writes it, and its result, as they come.
func TestReferenceStream(t *testing.T) {
	e := o200k(t)
	const thought, query = "Let's browse to confirm.", `{"query": "current US president", "topn": 10}`
	ids := e.tokens.EncodeSpecial("<|channel|>analysis<|message|>" + thought + "<|end|><|start|>assistant<|channel|>commentary to=browser.search code<|message|>" +
		query + "<|call|><|start|>browser.search to=assistant<|channel|>commentary<|message|>found<|end|>")
	require.Equal(t, []Message{
		reply(Analysis, thought), {Header{Role: Assistant, Channel: Commentary, Recipient: "browser.search", ContentType: "code"}, query},
		{Header{Role: Tool, Name: "browser.search", Recipient: "assistant", Channel: Commentary}, "found"},
	}, parse(t, e.NewParser(), ids))
	call := []int{200005, 35644, 200008, 1844, 31064, 25, 392, 4827, 382, 290, 11122, 306, 40510, 16842, 1416, 1309, 316, 1199, 37342, 170154, 4584, 13,
		200007, 200006, 173781, 316, 28, 29712, 170154, 200005, 35644, 3490, 200008, 10848, 7693, 1243, 392, 173844, 18583, 200012}
	require.Equal(t, []Message{
		reply(Analysis, `User asks: "What is the weather in Tokyo?" We need to use lookup_weather tool.`),
		{Header{Role: Assistant, Channel: Analysis, Recipient: "lookup_weather", ContentType: "code"}, `{"location": "Tokyo"}`},
	}, parse(t, e.NewParser(), call))
	// What is held back is seen as soon as it cannot become a character any more.
	p := e.NewParser()
	var seen strings.Builder
	for _, id := range append(append(e.tokens.EncodeSpecial("<|message|>"), 9552), e.tokens.Encode(" interesting story")...) {
		text, err := p.Push(id)
		require.NoError(t, err)
		seen.WriteString(text)
	}
	require.Equal(t, " \ufffd interesting story", seen.String())
	text, err := p.Push(e.tokens.Encode("Y")[0])
	require.NoError(t, err)
	require.Equal(t, "Y", text)
	require.Equal(t, "\ufffd", e.tokens.Decode([]int{99999999}))
}
