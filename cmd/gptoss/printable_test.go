package main

import (
	"bufio"
	"io"
	"strings"
	"testing"

	"expertfs/infer/harmony"
	"expertfs/infer/tokenizer"

	"github.com/stretchr/testify/require"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"a\tb\nc": "a\tb\nc",
		"\x1b[31mred\x1b[0m \x1b[?2004hx\x1b[1;2H": "red x",
		"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b": "ab",
		"\x1bPq#0\x1b\\c\x1b(Bd\x1bMe\x1b":         "cde",
		"bell\a back\b \x7f\u009b31m 世界\x00":       "bell back 31m 世界",
	} {
		require.Equal(t, want, printable(text), "%q", text)
	}
	require.Equal(t, "a\n\ufffd[2Jb\tc", shown("a\r\n\x1b[2Jb\tc"))
}

// What a file is called does not reach a terminal as something to obey, in errors and notes.
func TestErrorsCommandNoTerminal(t *testing.T) {
	const command = "\x1b[2J\u009b1m\a"
	_, _, err := runCommand(t, "", "run", "-p", "a", "--model", "/no/"+command)
	var out strings.Builder
	complain(&out, err)
	note(&out, command)
	require.Contains(t, out.String(), "gptoss: ")
	require.Contains(t, out.String(), "/no/\ufffd[2J\ufffd1m\ufffd")
	require.NotContains(t, out.String(), "\x1b")
	require.NotContains(t, out.String(), "\u009b")
	require.NotContains(t, out.String(), "\a")
}

// What a model writes does not reach a terminal as something to obey, in run as in chat.
func TestRunOnTerminals(t *testing.T) {
	for l, want := range map[look]string{piped: "a\x1b[2Jb\n", plain: "a\ufffd[2Jb\n", coloured: "a\ufffd[2Jb\n"} {
		var out strings.Builder
		text := &textOutput{r: &runner{out: &out, look: l}, stream: tokenizer.O200kHarmony().NewStream()}
		for _, id := range tokenizer.O200kHarmony().Encode("a\x1b[2Jb") {
			require.True(t, text.push(id))
		}
		text.end()
		require.Equal(t, want, out.String())
	}
	c, out, _ := newTestChat(t, &chatModel{tokens: tokenizer.O200kHarmony()})
	c.look = plain
	c.history = []harmony.Message{{Header: harmony.Header{Role: harmony.Assistant, Channel: harmony.Analysis}, Content: "\x1b[2JHm."}}
	require.NoError(t, c.command("/reasoning on"))
	require.Equal(t, "\ufffd[2JHm.\n", out.String())
	c.system = "Be \x1b[2Jbrief." // of a saved chat
	require.NoError(t, c.command("/show"))
	require.Contains(t, out.String(), "Be \ufffd[2Jbrief.")
	lines := &plainLines{in: bufio.NewReader(strings.NewReader("\x1b[31mred\x04\n")), prompts: io.Discard}
	line, err := lines.readLine("")
	require.NoError(t, err)
	require.Equal(t, "red", line)
	require.Contains(t, show(t, &answer{look: plain}, "<|channel|>commentary to=functions.\x1b[2J<|message|>{}<|call|>"), "(call of \ufffd[2J)")
}
