package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// asProgram names the variable by which this program is gptoss and no test, and
// mountsVariable the mounts that it is to find.
const (
	asProgram      = "GPTOSS_TEST_AS_PROGRAM"
	mountsVariable = "GPTOSS_TEST_MOUNTS"
)

// TestMain keeps the tests' prefixes, chats and lines out of the user's folders.
// Those that want some name a folder. No test sees the mounts of others.
func TestMain(m *testing.M) {
	findMounts = func() ([]string, []error, error) { return filepath.SplitList(os.Getenv(mountsVariable)), nil, nil }
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	os.Setenv(prefixVariable, "none")
	os.Setenv(chatVariable, "none")
	os.Setenv(historyVariable, "none")
	os.Exit(m.Run())
}

// served starts serve, has ask ask it, and ends it. It returns its log.
func served(t *testing.T, args []string, ask func(url string)) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log syncBuffer
	root := newRoot()
	root.SetErr(&log)
	root.SetArgs(append([]string{"serve", "--port", "0", "--alias", "whale"}, args...))
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	url := "http://" + listening(t, &log, "whale")
	require.Eventually(t, func() bool {
		resp, err := http.Get(url + "/health")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, 5*time.Minute, time.Millisecond)
	ask(url)
	cancel()
	require.NoError(t, <-ended)
	return log.String()
}

// completed is what these tests read of an answer.
type completed struct {
	Choices []struct{ Text string }
	Usage   struct {
		Prompt  int `json:"prompt_tokens"`
		Details struct {
			Cached int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	}
	Timings struct {
		Cached int `json:"cache_n"`
		Prompt int `json:"prompt_n"`
	}
}

func post(t *testing.T, url, body string, answer any) {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, string(text))
	require.NoError(t, json.Unmarshal(text, answer))
}

// TestFullDrive: without room for prefixes all goes on without them, and says so.
func TestFullDrive(t *testing.T) {
	drive := t.TempDir()
	if err := unix.Mount("none", drive, "tmpfs", 0, "size=4k"); err != nil {
		t.Skip("cannot mount a small tmpfs, as root can: ", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(drive, 0)) })
	require.NoError(t, os.WriteFile(filepath.Join(drive, "all"), make([]byte, 4096), 0o600))
	dir := filepath.Join(drive, "prefixes")
	model := tinyTree(t)
	const said = "prefixes are kept in RAM only"
	log := served(t, []string{"--model", model, "--prefix-dir", dir}, func(url string) {
		for cached := range 2 {
			var a completed
			post(t, url+"/v1/completions", `{"prompt":"Call me Ishmael. Some years ago","max_tokens":1}`, &a)
			require.Equal(t, cached == 1, a.Usage.Details.Cached > 0, "RAM is left")
		}
	})
	require.Contains(t, log, said)
	require.Contains(t, log, "no space left on device")
	_, notes, err := runCommand(t, "", "run", "--model", model, "--prefix-dir", dir, "-p", "Call me", "-n", "1")
	require.NoError(t, err)
	require.Contains(t, notes, said)
	_, notes, err = runCommand(t, "Call me Ishmael.", "chat", "--model", model, "--prefix-dir", dir, "-n", "1")
	require.NoError(t, err)
	require.Contains(t, notes, said)
}

// TestReadOnlyDrive: a drive that takes nothing keeps nobody from starting.
func TestReadOnlyDrive(t *testing.T) {
	drive := t.TempDir()
	if err := unix.Mount("none", drive, "tmpfs", unix.MS_RDONLY, "size=4k"); err != nil {
		t.Skip("cannot mount a tmpfs, as root can: ", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(drive, 0)) })
	_, notes, err := runCommand(t, "", "run", "--model", tinyTree(t), "--prefix-dir", filepath.Join(drive, "prefixes"), "-p", "Call me", "-n", "1")
	require.NoError(t, err)
	require.Contains(t, notes, "prefixes are kept in RAM only")
	require.Contains(t, notes, "read-only file system")
}

// TestServeKnowsPromptsAfterARestart asks the same before and after.
func TestServeKnowsPromptsAfterARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by", "serve")
	args := []string{"--model", tinyTree(t), "--prefix-dir", dir}
	const body = `{"prompt": "In the beginning the whale was not the only one of the ship that the sea", "max_tokens": 20, "temperature": 0.9, "seed": 5}`
	var first, again, second completed
	log := served(t, args, func(url string) {
		post(t, url+"/v1/completions", body, &first)
		post(t, url+"/v1/completions", body, &again)
	})
	require.Contains(t, log, "msg=prefixes folder=")
	require.Contains(t, log, dir) // in quotes if it has a blank
	require.Zero(t, first.Usage.Details.Cached)
	require.Equal(t, first.Usage.Prompt-1, again.Usage.Details.Cached)
	for _, more := range [][]string{nil, {"--prefix-ram", "0"}, {"--batch-size", "7"}, {"--threads", "1", "--ctx-size", "500"}} {
		log = served(t, append(args, more...), func(url string) { post(t, url+"/v1/completions", body, &second) })
		require.NotContains(t, log, "used=\"0 B\"")
		require.Equal(t, first.Choices, second.Choices)
		require.Equal(t, first.Choices, again.Choices)
		require.Equal(t, first.Usage.Prompt-1, second.Usage.Details.Cached)
		require.Equal(t, 1, second.Timings.Prompt)
		require.Equal(t, first.Usage.Prompt-1, second.Timings.Cached)
	}
	for _, other := range [][]string{{"--act", "f32"}, {"--dense", "bf16"}, {"--prefix-dir", "none"}} {
		served(t, append(args, other...), func(url string) { post(t, url+"/v1/completions", body, &second) })
		require.Zero(t, second.Usage.Details.Cached, other)
	}
}

// TestServeKnowsConversations asks the next turn after a restart, and another
// question of the same preamble.
func TestServeKnowsConversations(t *testing.T) {
	args := []string{"--model", tinyTree(t), "--prefix-dir", t.TempDir()}
	system := strings.Repeat("You tell of whales and ships. ", 20)
	ask := func(messages string) (a completed) {
		served(t, args, func(url string) {
			post(t, url+"/v1/chat/completions", `{"messages": [{"role": "system", "content": "`+system+`"}, `+messages+`], "max_tokens": 10}`, &a)
		})
		return a
	}
	first := ask(`{"role": "user", "content": "Where is the whale?"}`)
	next := ask(`{"role": "user", "content": "Where is the whale?"}, {"role": "assistant", "content": "In the sea."}, {"role": "user", "content": "Why?"}`)
	require.GreaterOrEqual(t, next.Usage.Details.Cached, first.Usage.Prompt)
	other := ask(`{"role": "user", "content": "What ship is it?"}`)
	require.Greater(t, other.Usage.Details.Cached, first.Usage.Prompt*3/4)
}

// TestEverywhereElse: run, chat and score know what another of them has computed.
func TestEverywhereElse(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--model", tinyTree(t), "--prefix-dir", dir}
	run := func() (text string, known int) {
		out, notes, err := runCommand(t, "", append([]string{"run", "-p", "In the beginning the whale", "-n", "5", "--temp", "0", "--json"}, args...)...)
		require.NoError(t, err)
		require.Empty(t, notes)
		var object struct {
			Text  string
			Known int `json:"cache_n"`
			Total int `json:"prompt_tokens"`
			Read  int `json:"prompt_n"`
		}
		require.NoError(t, json.Unmarshal([]byte(out), &object))
		require.Equal(t, object.Total, object.Known+object.Read)
		return object.Text, object.Known
	}
	text, known := run()
	require.Zero(t, known)
	same, known := run()
	require.Positive(t, known)
	require.Equal(t, text, same)
	_, notes, err := runCommand(t, "", append([]string{"run", "-p", "In the beginning the whale", "-n", "1"}, args...)...)
	require.NoError(t, err)
	require.Regexp(t, `prompt .* 1 tokens .*tokens/s  \(\d+ more were known\)`, notes)

	first, _, err := runCommand(t, "Tell me of the white whale", append([]string{"chat", "--temp", "0"}, args...)...)
	require.NoError(t, err)
	second, _, err := runCommand(t, "Tell me of the white whale", append([]string{"chat", "--temp", "0"}, args...)...)
	require.NoError(t, err)
	require.Equal(t, first, second)

	const ids = "1776 259 1836 1198 7 8 9 10"
	all, _, err := runCommand(t, ids, append([]string{"score", "--ids", "-"}, args...)...)
	require.NoError(t, err)
	for _, from := range []string{"5", "0", "7"} {
		lines := strings.SplitAfter(all, "\n")
		n := int(from[0] - '0')
		part, _, err := runCommand(t, ids, append([]string{"score", "--ids", "-", "--from", from}, args...)...)
		require.NoError(t, err)
		require.Equal(t, strings.Join(lines[n:], ""), part)
	}
	_, _, err = runCommand(t, ids, append([]string{"score", "--ids", "-", "--from", "8"}, args...)...)
	require.ErrorContains(t, err, "--from 8")

	out, _, err := runCommand(t, "", "prefix", "ls", "--prefix-dir", dir, "--model", args[1])
	require.NoError(t, err)
	require.Contains(t, out, `"In the beginning the whale`)
	out, _, err = runCommand(t, "", "prefix", "stat", "--prefix-dir", dir)
	require.NoError(t, err)
	require.Regexp(t, `used +[\d.]+ [KM]iB in \d+ files`, out)
	out, _, err = runCommand(t, "", "prefix", "ls", "--prefix-dir", dir, "--json")
	require.NoError(t, err)
	var listed []struct{ Texts []struct{ ID string } }
	require.NoError(t, json.Unmarshal([]byte(out), &listed))
	_, _, err = runCommand(t, "", "prefix", "rm", "--prefix-dir", dir, listed[0].Texts[0].ID[:12])
	require.NoError(t, err)
	_, _, err = runCommand(t, "", "prefix", "rm", "--prefix-dir", dir, listed[0].Texts[0].ID)
	require.ErrorContains(t, err, "no stored text has the id")
	_, _, err = runCommand(t, "", "prefix", "rm", "--prefix-dir", dir, "")
	require.ErrorContains(t, err, "an id of a text is empty")
	_, _, err = runCommand(t, "", "prefix", "rm", "--prefix-dir", dir, "--all")
	require.NoError(t, err)
	_, known = run()
	require.Zero(t, known)
}

// What is shown of stored prefixes is fit for people and their terminals.
func TestPrefixesAreShown(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "\x1b[2Jprefixes")
	_, _, err := runCommand(t, "", "run", "--model", tinyTree(t), "-p", "In the beginning", "-n", "1", "--prefix-dir", dir)
	require.NoError(t, err)
	out, _, err := runCommand(t, "", "prefix", "stat", "--prefix-dir", dir)
	require.NoError(t, err)
	require.Contains(t, out, "/\ufffd[2Jprefixes\n")
	require.Contains(t, out, " in 1 file\n")
	require.Contains(t, out, ", 1 text, last used ")
	models, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, models, 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, models[0].Name(), "model.json"), []byte(`{"name": "\u001b[2Jwhale"}`), 0o600))
	out, _, err = runCommand(t, "", "prefix", "ls", "--prefix-dir", dir)
	require.NoError(t, err)
	require.Contains(t, out, "\ufffd[2Jwhale")
	require.NotContains(t, out, "\x1b")
}

func TestPrefixErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	dir := tinyTree(t)
	for want, args := range map[string][]string{
		"--prefix-ram \"x\"":           {"run", "--model", dir, "-p", "x", "--prefix-dir", t.TempDir(), "--prefix-ram", "x"},
		"--prefix-size \"x\"":          {"run", "--model", dir, "-p", "x", "--prefix-dir", t.TempDir(), "--prefix-size", "x"},
		"names a folder for prefixes":  {"run", "--model", dir, "-p", "x", "--prefix-dir", file},
		"give ls, rm or stat":          {"prefix", "show"},
		"--prefix-dir names no folder": {"prefix", "ls"},
		"or --all":                     {"prefix", "rm", "--prefix-dir", dir},
	} {
		_, _, err := runCommand(t, "", args...)
		require.ErrorContains(t, err, want)
	}
	// The folder that nobody has named is not worth a refusal.
	t.Setenv(prefixVariable, "")
	t.Setenv("XDG_CACHE_HOME", file)
	_, notes, err := runCommand(t, "", "run", "--model", dir, "-p", "x", "-n", "1")
	require.NoError(t, err)
	require.Contains(t, notes, "prefixes are kept in RAM only")
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	_, _, err = runCommand(t, "", "run", "--model", dir, "-p", "In the beginning", "-n", "1")
	require.NoError(t, err)
	require.DirExists(t, filepath.Join(cache, "gptoss", "prefixes"))
	// Services often have no home. Nothing is put where they happen to be.
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	here := t.TempDir()
	t.Chdir(here)
	_, notes, err = runCommand(t, "", "run", "--model", dir, "-p", "x", "-n", "1")
	require.NoError(t, err)
	require.Contains(t, notes, "--prefix-dir names one")
	left, err := os.ReadDir(here)
	require.NoError(t, err)
	require.Empty(t, left)
	_, _, err = runCommand(t, "", "prefix", "ls", "--prefix-dir", "auto")
	require.ErrorContains(t, err, "--prefix-dir names one")
}
