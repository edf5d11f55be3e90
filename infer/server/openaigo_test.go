package server

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
	"github.com/stretchr/testify/require"
)

// These tests read answers by OpenAI's own types for Go.

func client(server *httptest.Server) openai.Client {
	return openai.NewClient(option.WithBaseURL(server.URL+"/v1"), option.WithAPIKey("any"), option.WithMaxRetries(0))
}

// explained is what the server said.
func explained(err error) string {
	var e *openai.Error
	if errors.As(err, &e) {
		return e.RawJSON()
	}
	return ""
}

var weatherParameters = shared.FunctionParameters{
	"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}, "required": []string{"city"}, "additionalProperties": false,
}

func chatParams(text string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: "gpt-oss", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)}}
}

func TestOpenAIGoChat(t *testing.T) {
	server, _ := start(t, &model{says: thinking})
	c := client(server)
	p := chatParams("What is 2 + 2?")
	p.Logprobs, p.TopLogprobs, p.Seed = openai.Bool(true), openai.Int(2), openai.Int(-3)
	whole, err := c.Chat.Completions.New(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, "2 + 2 = 4.", whole.Choices[0].Message.Content)
	require.Equal(t, "stop", whole.Choices[0].FinishReason)
	require.Equal(t, "2 + 2 = 4.", joinTokens(whole.Choices[0].Logprobs.Content))
	require.Len(t, whole.Choices[0].Logprobs.Content[0].TopLogprobs, 2)
	require.True(t, whole.JSON.Usage.Valid() && whole.JSON.Created.Valid() && whole.JSON.SystemFingerprint.Valid())
	require.NotZero(t, whole.Usage.CompletionTokensDetails.ReasoningTokens)
	require.Equal(t, `"Easy."`, whole.Choices[0].Message.JSON.ExtraFields["reasoning"].Raw())

	p.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
	stream := c.Chat.Completions.NewStreaming(t.Context(), p)
	acc := openai.ChatCompletionAccumulator{}
	for stream.Next() {
		require.True(t, acc.AddChunk(stream.Current()))
	}
	require.NoError(t, stream.Err())
	require.Equal(t, "2 + 2 = 4.", acc.Choices[0].Message.Content)
	require.Equal(t, whole.Usage.CompletionTokens, acc.Usage.CompletionTokens)
	require.Equal(t, "2 + 2 = 4.", joinTokens(acc.Choices[0].Logprobs.Content))

	two := chatParams("x")
	two.N = openai.Int(2)
	whole, err = c.Chat.Completions.New(t.Context(), two)
	require.NoError(t, err)
	require.Len(t, whole.Choices, 2)
	require.EqualValues(t, 1, whole.Choices[1].Index)

	models, err := c.Models.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, "test", models.Data[0].ID)
	_, err = c.Chat.Completions.New(t.Context(), chatParams(strings.Repeat("long ", 2000)))
	var e *openai.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "context_length_exceeded", e.Code)
}

func joinTokens(all []openai.ChatCompletionTokenLogprob) string {
	var b strings.Builder
	for _, l := range all {
		b.WriteString(l.Token)
	}
	return b.String()
}

// compactCall is written as a strict tool wants it.
var compactCall = strings.ReplaceAll(weatherCall, `": "`, `":"`)

func TestOpenAIGoTools(t *testing.T) {
	server, _ := start(t, &model{says: compactCall})
	c := client(server)
	p := chatParams("Weather?")
	p.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
		Name: "get_weather", Parameters: weatherParameters, Strict: openai.Bool(true),
	})}
	whole, err := c.Chat.Completions.New(t.Context(), p)
	require.NoError(t, err)
	call := whole.Choices[0].Message.ToolCalls[0]
	require.Equal(t, "get_weather", call.Function.Name)
	require.JSONEq(t, `{"city": "Paris"}`, call.Function.Arguments)
	require.Equal(t, "tool_calls", whole.Choices[0].FinishReason)

	// The answer goes back as it came.
	p.Messages = append(p.Messages, whole.Choices[0].Message.ToParam(), openai.ToolMessage("sun", call.ID))
	_, err = c.Chat.Completions.New(t.Context(), p)
	require.NoError(t, err)

	stream := c.Chat.Completions.NewStreaming(t.Context(), p)
	acc, finished := openai.ChatCompletionAccumulator{}, 0
	for stream.Next() {
		acc.AddChunk(stream.Current())
		if f, ok := acc.JustFinishedToolCall(); ok {
			finished++
			require.JSONEq(t, `{"city": "Paris"}`, f.Arguments)
		}
	}
	require.NoError(t, stream.Err())
	require.Equal(t, 1, finished)
}

func TestOpenAIGoCompletions(t *testing.T) {
	server, _ := start(t, &model{says: " three<|return|>"})
	c := client(server)
	whole, err := c.Completions.New(t.Context(), openai.CompletionNewParams{
		Model: "x", Prompt: openai.CompletionNewParamsPromptUnion{OfArrayOfStrings: []string{"one two", "a"}},
		Echo: openai.Bool(true), Logprobs: openai.Int(1), MaxTokens: openai.Int(4),
	})
	require.NoError(t, err)
	require.Len(t, whole.Choices, 2)
	require.Equal(t, "one two three", whole.Choices[0].Text)
	require.Equal(t, []string{"one", " two", " three", "<|return|>"}, whole.Choices[0].Logprobs.Tokens)
	require.Equal(t, []int64{0, 3, 7, 13}, whole.Choices[0].Logprobs.TextOffset)
	require.InDelta(t, 0, whole.Choices[0].Logprobs.TokenLogprobs[1], 1e-6)

	none, err := c.Completions.New(t.Context(), openai.CompletionNewParams{
		Model: "x", Prompt: openai.CompletionNewParamsPromptUnion{OfArrayOfTokens: []int64{200006, 1}}, MaxTokens: openai.Int(0),
		Echo: openai.Bool(true), Logprobs: openai.Int(0),
	})
	require.NoError(t, err)
	require.Len(t, none.Choices[0].Logprobs.Tokens, 2)
	stream := c.Completions.NewStreaming(t.Context(), openai.CompletionNewParams{
		Model: "x", Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("one")}, Echo: openai.Bool(true), Logprobs: openai.Int(2),
	})
	text, tokens := "", 0
	for stream.Next() {
		text += stream.Current().Choices[0].Text
		tokens += len(stream.Current().Choices[0].Logprobs.Tokens)
	}
	require.NoError(t, stream.Err())
	require.Equal(t, "one three", text)
	require.Equal(t, 3, tokens)
}

func TestOpenAIGoResponses(t *testing.T) {
	server, _ := start(t, &model{says: thinking})
	c := client(server)
	p := responses.ResponseNewParams{
		Model: "gpt-oss", Instructions: openai.String("Be brief."), MaxOutputTokens: openai.Int(50),
		Input:   responses.ResponseNewParamsInputUnion{OfString: openai.String("What is 2 + 2?")},
		Include: []responses.ResponseIncludable{responses.ResponseIncludableMessageOutputTextLogprobs},
	}
	whole, err := c.Responses.New(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, "2 + 2 = 4.", whole.OutputText())
	require.EqualValues(t, "completed", whole.Status)
	require.Len(t, whole.Output, 2)
	require.Equal(t, "Easy.", whole.Output[0].AsReasoning().Content[0].Text)
	require.NotEmpty(t, whole.Output[1].AsMessage().Content[0].AsOutputText().Logprobs)
	require.NotZero(t, whole.Usage.OutputTokensDetails.ReasoningTokens)

	// The items go back as they came.
	input := responses.ResponseInputParam{}
	for _, out := range whole.Output {
		input = append(input, param.Override[responses.ResponseInputItemUnionParam](json.RawMessage(out.RawJSON())))
	}
	p.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: append(input, responses.ResponseInputItemParamOfMessage("And 3?", "user"))}
	_, err = c.Responses.New(t.Context(), p)
	require.NoError(t, err, explained(err))

	require.Equal(t, []string{
		"response.created", "response.in_progress",
		"response.output_item.added", "response.content_part.added", "response.reasoning_text.delta", "response.reasoning_text.done",
		"response.content_part.done", "response.output_item.done",
		"response.output_item.added", "response.content_part.added", "response.output_text.delta", "response.output_text.done",
		"response.content_part.done", "response.output_item.done", "response.completed",
	}, responseEvents(t, c, p))

	_, err = c.Responses.New(t.Context(), responses.ResponseNewParams{PreviousResponseID: openai.String("resp_1"), Input: p.Input})
	require.Contains(t, explained(err), "stores no responses")
	p.MaxOutputTokens = openai.Int(3)
	whole, err = c.Responses.New(t.Context(), p)
	require.NoError(t, err)
	require.EqualValues(t, "incomplete", whole.Status)
	require.Equal(t, "max_output_tokens", whole.IncompleteDetails.Reason)
}

// responseEvents returns the types of a stream's events, those that repeat once.
func responseEvents(t *testing.T, c openai.Client, p responses.ResponseNewParams) (types []string) {
	stream := c.Responses.NewStreaming(t.Context(), p)
	n := int64(0)
	for stream.Next() {
		e := stream.Current()
		require.NotNil(t, e.AsAny(), e.Type)
		require.Equal(t, n, e.SequenceNumber)
		n++
		if len(types) == 0 || types[len(types)-1] != e.Type {
			types = append(types, e.Type)
		}
	}
	require.NoError(t, stream.Err())
	return types
}

func TestOpenAIGoResponsesTools(t *testing.T) {
	server, _ := start(t, &model{says: compactCall})
	c := client(server)
	p := responses.ResponseNewParams{
		Model: "gpt-oss", Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Weather?")},
		Tools: []responses.ToolUnionParam{responses.ToolParamOfFunction("get_weather", weatherParameters, true)},
	}
	whole, err := c.Responses.New(t.Context(), p)
	require.NoError(t, err)
	call := whole.Output[1].AsFunctionCall()
	require.Equal(t, "get_weather", call.Name)
	require.JSONEq(t, `{"city": "Paris"}`, call.Arguments)
	require.Equal(t, "get_weather", whole.Tools[0].AsFunction().Name)

	p.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
		responses.ResponseInputItemParamOfMessage("Weather?", "user"),
		param.Override[responses.ResponseInputItemUnionParam](json.RawMessage(whole.Output[0].RawJSON())),
		param.Override[responses.ResponseInputItemUnionParam](json.RawMessage(whole.Output[1].RawJSON())),
		param.Override[responses.ResponseInputItemUnionParam](map[string]string{"type": "function_call_output", "call_id": call.CallID, "output": "sun"}),
	}}
	p.Input.OfInputItemList[1] = responses.ResponseInputItemParamOfItemReference(whole.Output[0].ID)
	p.Input.OfInputItemList[2] = responses.ResponseInputItemParamOfItemReference(call.ID)
	types := responseEvents(t, c, p)
	require.Contains(t, types, "response.function_call_arguments.delta")
	require.Contains(t, types, "response.function_call_arguments.done")
	require.Equal(t, "response.completed", types[len(types)-1])
}
