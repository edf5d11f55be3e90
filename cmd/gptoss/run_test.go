package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"expertfs/infer/kernel"

	"github.com/stretchr/testify/require"
)

func TestRunText(t *testing.T) {
	dir := tinyTree(t)
	args := []string{"run", "--model", dir, "-n", "20", "--temp", "0.8", "--seed", "7"}
	text, notes, err := runCommand(t, "", append(args, "-p", "In the beginning")...)
	require.NoError(t, err)
	require.NotEmpty(t, strings.TrimSpace(text))
	require.Regexp(t, `decode .* 19 tokens .*tokens/s  \(20 generated, length, seed 7\)`, notes)
	require.Regexp(t, `experts +\d+ used, \d+ opened`, notes)

	same, _, err := runCommand(t, "In the beginning", append(args, "-f", "-")...)
	require.NoError(t, err)
	require.Equal(t, text, same, "one seed is one text")
	same, _, err = runCommand(t, "In the beginning", args...)
	require.NoError(t, err)
	require.Equal(t, text, same, "standard input is read without a flag too")
}

func TestRunIDs(t *testing.T) {
	dir := tinyTree(t)
	args := []string{"run", "--model", dir, "--act", "f32", "--ids", "-", "-n", "8", "--temp", "0"}
	out, _, err := runCommand(t, "1776, 259\n1836 1198", append(args, "--json")...)
	require.NoError(t, err)
	var object struct {
		IDs    []int   `json:"ids"`
		Text   *string `json:"text"`
		Finish string  `json:"finish_reason"`
		Prompt int     `json:"prompt_tokens"`
		Used   int     `json:"experts_used"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &object))
	require.Len(t, object.IDs, 8)
	require.Nil(t, object.Text)
	require.Equal(t, "length", object.Finish)
	require.Equal(t, 4, object.Prompt)
	require.GreaterOrEqual(t, object.Used, 4*4*8)

	plain, _, err := runCommand(t, "1776 259 1836 1198", args...)
	require.NoError(t, err)
	require.Equal(t, object.IDs, mustIDs(t, plain))
}

func mustIDs(t *testing.T, text string) []int {
	t.Helper()
	ids, err := parseIDs(strings.NewReader(text))
	require.NoError(t, err)
	return ids
}

// The model ends the text at a stop token, which is not shown, unless told to go on.
func TestRunStops(t *testing.T) {
	dir := tinyTree(t)
	prompt := "<|start|>user<|message|>Tell me of the white whale<|end|><|start|>assistant<|channel|>final<|message|>"
	args := []string{"run", "--model", dir, "--special", "-p", prompt, "--temp", "0", "-n", "200", "--json", "--act", "f32"}
	out, _, err := runCommand(t, "", args...)
	require.NoError(t, err)
	var object struct {
		Text   string `json:"text"`
		Finish string `json:"finish_reason"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &object))
	require.Equal(t, "stop", object.Finish)
	require.True(t, strings.HasSuffix(object.Text, "of the whale."), "the stop token is no text: %s", object.Text)
	out, _, err = runCommand(t, "", append(args, "--ignore-eos")...)
	require.NoError(t, err)
	require.Contains(t, out, `"finish_reason":"length"`)
}

func TestRunErrors(t *testing.T) {
	dir := tinyTree(t)
	for want, args := range map[string][]string{
		"the value of --prompt is empty":         {"-p", ""},
		"the value of --ids is empty":            {"--ids", ""},
		"only one of --prompt, --file":           {"-p", "a", "--ids", "-"},
		"--predict -2":                           {"-p", "a", "-n", "-2"},
		"--temp -1: want 0 or more":              {"-p", "a", "--temp", "-1"},
		"the text is empty":                      {"-f", "-"},
		`--act "f64": want bf16 or f32 or int8`:  {"-p", "a", "--act", "f64"},
		`--dense "q4": want bf16 or int8`:        {"-p", "a", "--dense", "q4"},
		`--map-bytes "many": want auto or`:       {"-p", "a", "--map-bytes", "many"},
		"2 tokens do not fit: the context has 1": {"-p", "In the", "-c", "1"},
		"no such file or directory":              {"-f", "/does/not/exist"},
		"--threads -1: want 1 to ":               {"-p", "a", "-t", "-1"},
		"--ctx-size 9999999: want 1 to ":         {"-p", "a", "-c", "9999999"},
		`unknown flag: --nonsense`:               {"--nonsense"},
		`--predict "x": want a whole number`:     {"-n", "x"},
	} {
		_, _, err := runCommand(t, "", append([]string{"run", "--model", dir}, args...)...)
		require.ErrorContains(t, err, want, args)
	}
	_, _, err := runCommand(t, "", "run", "-p", "a")
	require.ErrorContains(t, err, "no model given, and nothing is mounted")
	for _, command := range []string{"run", "score"} {
		for stdin, want := range map[string]string{
			"5 9999":                   "--ids: token 1: id 9999 is outside of the vocabulary (0 to 2047): are they of another model?",
			"5 six":                    `--ids: standard input: line 1: "six" is not a token id`,
			" ":                        "--ids: standard input: no token ids",
			strings.Repeat("5 ", 2000): "2000 tokens do not fit: the context has 1024, and the model allows no more; give a shorter text",
		} {
			_, _, err = runCommand(t, stdin, command, "--model", dir, "--ids", "-")
			require.EqualError(t, err, want)
		}
		_, _, err = runCommand(t, "1 2 3", command, "--model", dir, "--ids", "-", "-c", "2")
		require.EqualError(t, err, "3 tokens do not fit: the context has 2; raise --ctx-size, or give a shorter text")
		_, _, err = runCommand(t, "", command, "--model", dir, "--ids", dir)
		require.ErrorContains(t, err, "--ids: read "+dir+": is a directory")
	}
}

func TestRunSummary(t *testing.T) {
	dir := tinyTree(t)
	args := []string{"run", "--model", dir, "--temp", "0", "--ids", "-"}
	_, notes, err := runCommand(t, "5 6", append(args, "-n", "1")...)
	require.NoError(t, err)
	require.Regexp(t, `decode .* 0 tokens  \(1 generated, length\)\n`, notes, "the prompt gave it: no rate, and no seed either")

	_, notes, err = runCommand(t, "5 6", append(args, "-c", "4")...)
	require.NoError(t, err)
	require.Contains(t, notes, "(3 generated, the context of 4 tokens is full)")

	out, _, err := runCommand(t, "5 6", append(args, "-c", "4", "--json")...)
	require.NoError(t, err)
	require.Contains(t, out, `"predicted_n":2,`)
	require.NotContains(t, out, `"seed"`)
}

// Somebody at a terminal is told what is missing, rather than waited for.
func TestRunDoesNotReadTerminal(t *testing.T) {
	_, program := openPTY(t)
	root := newRoot()
	root.SetIn(program)
	root.SetArgs([]string{"run", "--model", tinyTree(t)})
	require.ErrorContains(t, root.ExecuteContext(t.Context()), "give the text by --prompt, --file or --ids, or on standard input")
}

func TestParseIDs(t *testing.T) {
	require.Equal(t, []int{1, 2, 3, 4, 5}, mustIDs(t, " 1, 2,3\r\n\n4\t5"))
	require.Equal(t, []int{195, 169}, mustIDs(t, "[195, 169]"))
	require.Equal(t, []int{195, 169}, mustIDs(t, " [\n195,\n169\n]\n"))
	for text, want := range map[string]string{
		"[]": "no token ids", "[1] 2": `"[1]" is not`, "[1": `"[1" is not`, "[\n[1]\n]": `line 2: "[1]" is not`,
		"": "no token ids", "1\n-2": "line 2", "1.5": `"1.5" is not`, "99999999999": "is not a token id",
	} {
		_, err := parseIDs(strings.NewReader(text))
		require.ErrorContains(t, err, want)
	}
}

func TestVersion(t *testing.T) {
	out, _, err := runCommand(t, "", "version", "-v")
	require.NoError(t, err)
	require.Regexp(t, `^gptoss .*\nkernels \w+ \(of generic`, out)
	flag, _, err := runCommand(t, "", "--version")
	require.NoError(t, err)
	require.Regexp(t, `^gptoss \S+`, flag)
	require.Contains(t, out, strings.TrimSpace(flag))
}

// The kernels in plain Go are slow, and it is said when they are used. Their
// choice is made once for a process, so the test runs itself again.
func TestPortableKernelsSaySo(t *testing.T) {
	const said = "kernels in plain Go compute, some 20 times slower"
	if os.Getenv(kernel.Variable) != "generic" {
		again := exec.Command(os.Args[0], "-test.run=^TestPortableKernelsSaySo$", "-test.v")
		again.Env = append(os.Environ(), kernel.Variable+"=generic")
		out, err := again.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return
	}
	require.True(t, kernel.Portable())
	out, _, err := runCommand(t, "", "version", "-v")
	require.NoError(t, err)
	require.Contains(t, out, said)
	_, notes, err := runCommand(t, "1 2 3", "run", "-m", tinyTree(t), "--ids", "-", "-n", "1")
	require.NoError(t, err)
	require.Contains(t, notes, "gptoss: note: "+said, "when the model is opened")
	require.Contains(t, notes, "note    "+said, "in the summary")
}
