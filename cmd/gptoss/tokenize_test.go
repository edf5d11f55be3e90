package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// run carries out a command with the given standard input.
func runCommand(t *testing.T, stdin string, args ...string) (out, notes string, err error) {
	t.Helper()
	var stdout, stderr strings.Builder
	root := newRoot()
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	root.SetArgs(args)
	err = root.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), err
}

func TestTokenize(t *testing.T) {
	for _, c := range []struct {
		stdin string
		args  []string
		want  string
	}{
		{"", []string{"Hello, world!"}, "13225 11 2375 0\n"},
		{"Hello, world!", nil, "13225 11 2375 0\n"},
		{"", []string{""}, "\n"},
		{"", []string{"<|end|>"}, "27 91 419 91 29\n"},
		{"", []string{"--special", "<|end|>"}, "200007\n"},
		{"", []string{"--table", "--special", "hi\n<|end|>"}, "  3686  \"hi\"\n   198  \"\\n\"\n200007  \"<|end|>\"\n"},
		{"", []string{"-d", "13225", "11,2375", "0"}, "Hello, world!"},
		{"13225\n11 2375,0", []string{"--decode"}, "Hello, world!"},
		{"", []string{"-d", "[13225, 11, 2375, 0]"}, "Hello, world!"},
		{"", []string{"-d", "[13225,", "11, 2375, 0]"}, "Hello, world!"},
		{"", []string{"--model", "../../checkpoint/tiny", "--special", "<|start|>user"}, "2043 420 268\n"},
	} {
		out, _, err := runCommand(t, c.stdin, append([]string{"tokenize"}, c.args...)...)
		require.NoError(t, err, c.args)
		require.Equal(t, c.want, out, c.args)
	}
}

func TestTokenizeErrors(t *testing.T) {
	for want, args := range map[string][]string{
		"as one argument":    {"two", "words"},
		`"x" is not a token`: {"--decode", "x"},
		"no token ids":       {"--decode"},
		"id 9999 is outside of the vocabulary (0 to 2047)":     {"--model", "../../checkpoint/tiny", "-d", "9999"},
		"id 201088 is outside of the vocabulary (0 to 201087)": {"-d", "201088"},
		"--special is for text":                                {"--decode", "--special", "1"},
		"no such file or dir":                                  {"--model", "testdata/none", "x"},
	} {
		_, _, err := runCommand(t, "", append([]string{"tokenize"}, args...)...)
		require.ErrorContains(t, err, want, args)
	}
}
