package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"expertfs/infer"
	"expertfs/infer/harmony"
	"expertfs/infer/sample"
	"expertfs/infer/tokenizer"

	"github.com/stretchr/testify/require"
)

// openTiny loads the small model.
func openTiny(t *testing.T, dir string) *chatModel {
	t.Helper()
	m, err := openChatModel(&modelFlags{dir: dir, mapBytes: "auto", options: infer.Options{Context: 600}},
		&conversationFlags{systemMessage: "off", date: "none"}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.close()) })
	return m
}

// TestChatOnce compares with the sample that was taken when the model was
// trained.
func TestChatOnce(t *testing.T) {
	out, notes, err := runCommand(t, "Tell me of the white whale\n", "chat", "--model", tinyTree(t), "--temp", "0", "--act", "f32")
	require.NoError(t, err)
	require.Equal(t, "they that the whale's boats were not the only way of the whale. The whale is a very long, but a little man of the whale.\n", out)
	require.Empty(t, notes)
}

func TestChatSaysWhyItEnded(t *testing.T) {
	args := []string{"chat", "--model", tinyTree(t), "--temp", "0", "-v"}
	_, notes, err := runCommand(t, "Hello", append(args, "--ctx-size", "20")...)
	require.NoError(t, err)
	require.Contains(t, notes, "(cut off: the context of 20 tokens is full")
	require.Contains(t, notes, "tokens/s")

	_, notes, err = runCommand(t, "Hello", append(args, "-n", "1")...)
	require.NoError(t, err)
	require.Contains(t, notes, "(1 token, the first after")
	require.NotContains(t, notes, "tokens/s", "one token has no rate")
}

func TestChatIsLeft(t *testing.T) {
	for _, word := range []string{"/bye", "/exit", "/quit"} {
		c := &chat{out: io.Discard, notes: io.Discard}
		user := &typed{lines: []string{word, "not read"}}
		require.NoError(t, c.loop(t.Context(), user))
		require.Len(t, user.prompts, 1, word)
	}
}

func TestChatErrors(t *testing.T) {
	dir := tinyTree(t)
	for want, args := range map[string][]string{
		"no model given":            {},
		"reasoning effort":          {"--model", dir, "--reasoning-effort", "extreme"},
		"--predict -2":              {"--model", dir, "-n", "-2"},
		"--temp -1: want 0 or more": {"--model", dir, "--temp", "-1"},
		"--system-message":          {"--model", dir, "--system-message", "maybe"},
		"standard input is empty":   {"--model", dir},
		"--date \"tomorrow\"":       {"--model", dir, "--date", "tomorrow"},
		"the conversation has 26 tokens and the context 10": {"--model", dir, "--ctx-size", "10", "--system", "x"},
	} {
		stdin := ""
		if strings.HasPrefix(want, "the conversation") {
			stdin = "hello"
		}
		_, _, err := runCommand(t, stdin, append([]string{"chat"}, args...)...)
		require.ErrorContains(t, err, want)
	}
}

// typed is a user who types lines, and leaves when there are no more.
type typed struct {
	lines   []string
	prompts []string
}

func (u *typed) readLine(prompt string) (string, error) {
	u.prompts = append(u.prompts, prompt)
	if len(u.lines) == 0 {
		return "", io.EOF
	}
	line := u.lines[0]
	u.lines = u.lines[1:]
	return line, nil
}

func newTestChat(t *testing.T, m *chatModel) (c *chat, out, notes *strings.Builder) {
	t.Helper()
	out, notes = &strings.Builder{}, &strings.Builder{}
	c = &chat{model: m, effort: harmony.Medium, max: 12, out: out, notes: notes, sampling: &samplingFlags{}}
	var err error
	c.encoding, err = harmony.NewEncoding(m.tokens)
	require.NoError(t, err)
	c.sampler, err = c.sampling.sampler()
	require.NoError(t, err)
	return c, out, notes
}

func TestChatLoop(t *testing.T) {
	c, out, notes := newTestChat(t, openTiny(t, tinyTree(t)))
	user := &typed{lines: []string{
		"", "  Tell me of the white whale ", `"""In the`, "", `beginning"""`,
		"/set parameter temperature 0.5", "/set parameter top_k 3", "/set parameter seed 7", "/set parameter max_tokens 9",
		"/set system Be brief.", "/set effort low", "/set thinking on", "/set verbose on", "/show", "/clear", "Hello",
	}}
	require.NoError(t, c.loop(t.Context(), user))
	require.Contains(t, user.prompts, "... ")
	require.Contains(t, out.String(), "temperature  0.5\ntop_k        3\ntop_p        0\nmin_p        0\nseed         7\nmax_tokens   9\n"+
		"effort       low\nthinking     on\nsystem       Be brief.\nmessages     4\n")
	require.Equal(t, 3, strings.Count(notes.String(), "(cut off"), notes.String())
	require.Equal(t, 1, strings.Count(notes.String(), "(9 tokens, the first after "))
	require.Len(t, c.history, 2, "the message after /clear and its answer")
	require.Equal(t, "Hello", c.history[0].Content)
	require.Equal(t, harmony.Final, c.history[1].Channel)
}

func TestChatHistoryIsShownToTheModel(t *testing.T) {
	c, _, _ := newTestChat(t, openTiny(t, tinyTree(t)))
	require.NoError(t, c.say(t.Context(), "one\n\ntwo"))
	c.system = "Be kind."
	ids, err := c.prompt(c.history)
	require.NoError(t, err)
	require.Equal(t, "<|start|>developer<|message|># Instructions\n\nBe kind.<|end|><|start|>user<|message|>one\n\ntwo<|end|>"+
		"<|start|>assistant<|channel|>final<|message|>"+c.history[1].Content+"<|end|><|start|>assistant", c.model.tokens.Decode(ids))
}

func TestChatCommandErrors(t *testing.T) {
	c, _, _ := newTestChat(t, &chatModel{tokens: tokenizer.O200kHarmony()})
	before := *c.sampling
	for line, want := range map[string]string{
		"/nothing":                      "no command /nothing",
		"/set":                          "give a setting",
		"/set nothing on":               "no such setting",
		"/save":                         "/save NAME",
		"/set parameter heat 1":         `no parameter "heat"`,
		"/set parameter temperature":    `temperature ""`,
		"/set parameter temperature -1": "must be 0 or more",
		"/set parameter top_k x":        `top_k "x"`,
		"/set parameter seed -5":        "seed -5",
		"/set parameter max_tokens -2":  "or -1",
		"/set effort none":              "low, medium or high",
		"/set thinking maybe":           "on or off",
	} {
		require.ErrorContains(t, c.command(line), want, line)
	}
	require.Equal(t, before, *c.sampling)
}

// Each command says what it has done.
func TestChatCommandsConfirm(t *testing.T) {
	c, _, notes := newTestChat(t, &chatModel{tokens: tokenizer.O200kHarmony()})
	for line, want := range map[string]string{
		"/clear":                         "a new conversation",
		"/set parameter temperature 0.5": "temperature 0.5",
		"/set system Be \x1b[2Jbrief.":   "instructions: Be \ufffd[2Jbrief.",
		"/set system":                    "instructions: none",
		"/set effort high":               "effort high",
		"/set thinking on":               "reasoning is shown",
		"/set thinking off":              "reasoning is folded",
		"/set verbose on":                "the speed is shown after each answer: on",
	} {
		notes.Reset()
		require.NoError(t, c.command(line), line)
		require.Equal(t, "("+want+")\n", notes.String(), line)
	}
}

func TestChatLoopEnds(t *testing.T) {
	c, out, notes := newTestChat(t, &chatModel{tokens: tokenizer.O200kHarmony()})
	require.NoError(t, c.loop(t.Context(), &typed{lines: []string{"/?", "/nothing", "/bye", "not read"}}))
	require.Contains(t, out.String(), "/set parameter")
	require.Contains(t, notes.String(), "error: there is no command /nothing")
	require.NoError(t, c.loop(t.Context(), &typed{lines: []string{`"""never closed`}}))
}

// An interrupted answer ends a chat of one message with an error, but not one
// with somebody who can ask again.
func TestChatInterrupted(t *testing.T) {
	c, _, notes := newTestChat(t, openTiny(t, tinyTree(t)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.once(ctx, strings.NewReader("Hello")), errInterrupted)
	require.Empty(t, notes.String())
	require.NoError(t, c.loop(ctx, &typed{lines: []string{"Hello"}}))
	require.Equal(t, "(stopped)\n", notes.String())
}

// say pushes the tokens of text to an answer and returns what is shown.
func show(t *testing.T, a *answer, text string) string {
	t.Helper()
	tokens := tokenizer.O200kHarmony()
	encoding, err := harmony.NewEncoding(tokens)
	require.NoError(t, err)
	var out strings.Builder
	a.parser, a.out = encoding.NewParser(), &out
	for _, id := range tokens.EncodeSpecial(text) {
		if !a.push(id) {
			break
		}
	}
	a.end()
	return out.String()
}

func TestAnswerShowsChannels(t *testing.T) {
	const text = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.f<|message|>{}<|call|>" +
		"<|start|>assistant<|channel|>final<|message|>Yes.\n<|return|>"
	require.Equal(t, "(call of f)\n{}\n(answer)\nYes.\n", show(t, &answer{}, text))
	require.Equal(t, "(thinking)\nHm.\n(call of f)\n{}\n(answer)\nYes.\n", show(t, &answer{showThinking: true}, text))
	require.Equal(t, "{\"a\": 1}\n", show(t, &answer{}, "<|channel|>final to=all json<|message|>{\"a\": 1}<|return|>"))
	others := &answer{}
	require.Equal(t, "Yes.\n", show(t, others, "<|channel|>final<|message|>Yes.<|end|><|start|>user<|message|>And then?<|end|><|start|>assistant<|message|>No"))
	require.Len(t, said(others.parser.Messages()), 1)
	silent := &answer{}
	require.Empty(t, show(t, silent, "<|channel|>analysis<|message|>Hm.<|return|>"))
	require.False(t, silent.shown)

	a := &answer{}
	require.Equal(t, "Yes\n", show(t, a, "<|message|>Yes<|end|>stray"))
	require.ErrorContains(t, a.stray, "between two messages")
}

// On a terminal reasoning is dim, or folded to a line, and what would move the
// cursor is taken out.
func TestAnswerOnTerminals(t *testing.T) {
	const text = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.f<|message|>{}<|call|>" +
		"<|start|>assistant<|channel|>final<|message|>Yes\x1b[2J.\n<|return|>"
	require.Regexp(t, `^\x1b\[2m\(thought for \d+\.\d s, 2 tokens; /reasoning shows it\)\x1b\[0m\n\x1b\[2m\(call of f\)\x1b\[0m\n{}\nYes\x{FFFD}\[2J\.\n$`,
		show(t, &answer{look: coloured}, text))
	unfolded := show(t, &answer{look: coloured, showThinking: true}, text)
	require.Contains(t, unfolded, "\x1b[2mHm\x1b[0m")
	require.NotContains(t, unfolded, "thought")
	require.Contains(t, show(t, &answer{look: plain, showThinking: true}, text), "(thinking)\nHm.\n(call of f)\n{}\n(answer)\nYes")

	c, out, notes := newTestChat(t, &chatModel{tokens: tokenizer.O200kHarmony()})
	c.history = []harmony.Message{
		{Header: harmony.Header{Role: harmony.Assistant, Channel: harmony.Analysis}, Content: "Of old."},
		{Header: harmony.Header{Role: harmony.User}, Content: "And?"},
		{Header: harmony.Header{Role: harmony.Assistant, Channel: harmony.Analysis}, Content: "Hm."},
		{Header: harmony.Header{Role: harmony.Assistant, Channel: harmony.Final}, Content: "Yes."},
	}
	require.NoError(t, c.command("/reasoning"))
	require.NoError(t, c.command("/reasoning"))
	require.Equal(t, "Hm.\n", out.String())
	require.Equal(t, "(reasoning is shown)\n(reasoning is folded)\n", notes.String())
	require.ErrorContains(t, c.command("/reasoning maybe"), "on or off")
}

func TestStatusLine(t *testing.T) {
	var screen strings.Builder
	s := &statusLine{screen: &screen, width: func() int { return 39 }}
	s.draw(time.Now())
	s.say("reading the prompt: 0 of 9 tokens")
	s.draw(s.began)
	require.Empty(t, screen.String(), "too soon")
	s.draw(s.began.Add(12 * time.Second))
	s.clear()
	s.clear()
	require.Equal(t, "\r\x1b[Kreading the prompt: 0 of 9 tokens, 12 \r\x1b[K", screen.String(), "what is wider than the screen could not be erased")
	require.Nil(t, newStatusLine(&screen), "no terminal")
	var none *statusLine
	none.say("")
	none.clear()
	none.end()
}

// Ctrl-C ends a chat that does not ask yet, or no more.
func TestChatSignals(t *testing.T) {
	s := &chatSignals{}
	require.False(t, s.interrupt())
	s.ask(true)
	require.True(t, s.interrupt(), "a key of the prompt")
	ctx, done := s.answering(t.Context())
	require.True(t, s.interrupt())
	require.Error(t, ctx.Err())
	require.False(t, s.interrupt(), "the answer does not stop")
	done()
	require.True(t, s.interrupt())
	s.ask(false)
	require.False(t, s.interrupt())
}

// Quotes that do not end a message are its own.
func TestReadMessage(t *testing.T) {
	for line, want := range map[string]string{
		"  one line ":                      "one line",
		"\n\tif x:\n\t\ty \n":              "\tif x:\n\t\ty",
		`"""a "b" """`:                     `a "b" `,
		"\"\"\"What it is.\"\"\"\nx = 1\n": "\"\"\"What it is.\"\"\"\nx = 1",
	} {
		got, err := readMessage(&typed{lines: []string{line}})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// brokenPipe is an output whose reader has gone.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestAnswerEndsWithItsReader(t *testing.T) {
	c, _, _ := newTestChat(t, openTiny(t, tinyTree(t)))
	c.out = brokenPipe{}
	require.ErrorIs(t, c.say(t.Context(), "Hello"), io.ErrClosedPipe)
	require.Empty(t, c.history)
}

// TestPromptsShareTheirBeginning: what is kept from one prompt to the next
// does not change the result.
func TestPromptsShareTheirBeginning(t *testing.T) {
	dir := tinyTree(t)
	kept := openTiny(t, dir)
	answer := func(m *chatModel, prompt []int) []int {
		s, err := (&samplingFlags{params: sample.Params{Temp: 1}, seed: 5}).sampler()
		require.NoError(t, err)
		ids, _, err := m.complete(t.Context(), prompt, infer.Generation{Max: 8, Sample: s.Sample}, nil)
		require.NoError(t, err)
		return ids
	}
	text := kept.tokens.Encode(strings.Repeat("In the beginning of the war the whale was white. ", 12))
	for _, prompt := range [][]int{text[:40], text[:90], text[:90], text[:30], text, append(text[:10:10], text[50:90]...), text[:1]} {
		fresh := openTiny(t, dir)
		require.Equal(t, answer(fresh, prompt), answer(kept, prompt))
	}
	_, _, err := kept.complete(t.Context(), []int{1, 5000}, infer.Generation{}, nil)
	require.ErrorContains(t, err, "5000")
	require.Equal(t, answer(openTiny(t, dir), text[:20]), answer(kept, text[:20]))
}

// A mass of 0 is made up by the most probable token alone.
func TestTopPOfZero(t *testing.T) {
	for seed := range int64(20) {
		f := samplingFlags{params: sample.Params{Temp: 1}, seed: seed}
		s, err := f.sampler()
		require.NoError(t, err)
		id, err := s.Sample([]float32{1, 1.5, 1, 1})
		require.NoError(t, err)
		require.Equal(t, 1, id)
	}
}

func TestConversationOpening(t *testing.T) {
	tiny, err := tokenizer.Load("../../checkpoint/tiny")
	require.NoError(t, err)
	for _, c := range []struct {
		flags conversationFlags
		of    *tokenizer.Tokenizer
		want  []harmony.Message
	}{
		{conversationFlags{"auto", "2025-06-28"}, tokenizer.O200kHarmony(), []harmony.Message{harmony.SystemMessage(harmony.Low, "2025-06-28")}},
		{conversationFlags{"auto", "none"}, tiny, nil},
		{conversationFlags{"on", "none"}, tiny, []harmony.Message{harmony.SystemMessage(harmony.Low, "")}},
		{conversationFlags{"off", "none"}, tokenizer.O200kHarmony(), nil},
	} {
		opening, err := c.flags.opening(c.of)
		require.NoError(t, err)
		require.Equal(t, c.want, opening(harmony.Low, false))
	}
}

func TestVocabularyMustFitTheModel(t *testing.T) {
	dir := tinyTree(t)
	require.NoError(t, errors.Join(removeFile(dir, "tokenizer.json"), removeFile(dir, "generation_config.json")))
	_, err := openChatModel(&modelFlags{dir: dir, mapBytes: "auto"}, &conversationFlags{}, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "needs a tokenizer.json of its own")
}

// The banner is for the user: it is not in what a pipe gets.
func TestBannerOfPipes(t *testing.T) {
	c, out, notes := newTestChat(t, openTiny(t, tinyTree(t)))
	c.greet("v1")
	require.Empty(t, out.String())
	require.Contains(t, notes.String(), "gptoss v1: ")
	require.Contains(t, notes.String(), "experts from a plain folder")
	c.look = plain
	c.greet("v1")
	require.Contains(t, out.String(), "gptoss v1: ")
	for _, line := range strings.Split(out.String(), "\n") {
		require.LessOrEqual(t, len(line), 80)
	}
}
