package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"expertfs/infer/tokenizer"

	"github.com/stretchr/testify/require"
)

func TestChatsAreSaved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "chats")
	t.Setenv(chatVariable, dir)
	model := openTiny(t, tinyTree(t))
	c, out, notes := newTestChat(t, model)
	c.system = "Be brief."
	require.NoError(t, c.say(t.Context(), "Hello"))
	require.NoError(t, c.command("/save first.one"))
	info, err := os.Stat(filepath.Join(dir, "first.one.json"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	other, othersOut, othersNotes := newTestChat(t, model)
	require.NoError(t, other.command("/load first.one"))
	require.Equal(t, c.history, other.history)
	require.Equal(t, c.system, other.system)
	require.Equal(t, c.effort, other.effort)
	out.Reset()

	require.NoError(t, other.command("/load"))
	require.Regexp(t, `^first.one +now\nlast +now, the one that was answered last\n$`, strings.ReplaceAll(othersOut.String(), "1 second ago", "now"))
	require.Equal(t, "(going on with first.one: 2 messages)\n(/load NAME goes on with one)\n", othersNotes.String())
	require.Contains(t, notes.String(), "(saved as first.one: 2 messages; /load first.one goes on with it)\n")
	require.ErrorContains(t, other.command("/load none"), "there is no saved chat none; there are first.one, last")
	for _, bad := range []string{"/save ../x", "/load .hidden", "/save a/b", "/save " + strings.Repeat("x", 65)} {
		require.ErrorContains(t, other.command(bad), "no name for a chat", bad)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "odd.json"), []byte(`{"version": 9, "effort": "low"}`), 0o600))
	require.ErrorContains(t, other.command("/load odd"), "another version")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "torn.json"), nil, 0o600))
	require.ErrorContains(t, other.command("/load torn"), "torn.json is no saved chat: unexpected end of JSON input: remove it")
	require.Equal(t, c.history, other.history)

	// A file that cannot be written costs no answer.
	t.Setenv(chatVariable, filepath.Join(dir, "odd.json"))
	require.NoError(t, other.say(t.Context(), "More"))
}

// TestNoChatIsSaved: a list of none says how there is one.
func TestNoChatIsSaved(t *testing.T) {
	t.Setenv(chatVariable, filepath.Join(t.TempDir(), "chats"))
	c, out, notes := newTestChat(t, &chatModel{tokens: tokenizer.O200kHarmony()})
	require.NoError(t, c.command("/load"))
	require.Empty(t, out.String())
	require.Contains(t, notes.String(), "(no chat is saved; /save NAME")
	t.Setenv(chatVariable, "none")
	require.ErrorIs(t, c.command("/load"), errNoChats)
}

// TestContinue goes on with the conversation of another process.
func TestContinue(t *testing.T) {
	t.Setenv(chatVariable, t.TempDir())
	args := []string{"chat", "--model", tinyTree(t), "--temp", "0", "-n", "12", "--prefix-dir", t.TempDir()}
	_, _, err := runCommand(t, "Where is the whale?", append(args, "--continue")...)
	require.ErrorContains(t, err, "no conversation has been answered that could go on")
	first, _, err := runCommand(t, "Where is the whale?", args...)
	require.NoError(t, err)
	second, _, err := runCommand(t, "And why?", append(args, "--continue")...)
	require.NoError(t, err)

	c, out, _ := newTestChat(t, openTiny(t, args[2]))
	c.max = 12
	require.NoError(t, c.say(t.Context(), "Where is the whale?"))
	require.Equal(t, first, out.String())
	out.Reset()
	require.NoError(t, c.say(t.Context(), "And why?"))
	require.Equal(t, second, out.String())
}
