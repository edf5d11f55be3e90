package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestUsageErrors(t *testing.T) {
	dir := tinyTree(t)
	for _, c := range []struct{ args, want string }{
		{"frob", `unknown command "frob"; gptoss --help lists them`},
		{"run --model m hello", "unexpected argument \"hello\": give the text with -p; usage: gptoss run [--model DIR] [-p PROMPT"},
		{"help nosuch", `there is no help on "nosuch"; gptoss --help lists the commands`},
		{"help run nosuch", `there is no help on "run nosuch"`},
		{"score a b", "unexpected argument \"a\"; usage: gptoss score [--model DIR] --ids FILE"},
		{"version x", "; usage: gptoss version"},
		{"run --temp x", `--temp "x": want a number`},
		{"run --cpu-strict yes", `--cpu-strict "yes": neither 0 nor 1`},
		{"serve --port 99999999", `--port "99999999": want a whole number from 0 to 65535`},
		{"bench -p 1,x", `--n-prompt "1,x": want whole numbers with commas between them`},
		{"chat --nonsense", "unknown flag: --nonsense; gptoss chat --help lists the flags"},
		{"run -p a", "no model given"},
		{"run -p a --temp -1 --model DIR", "--temp -1: want 0 or more"},
		{"run -p a --top-p 3 --model DIR", "--top-p 3: want a probability from 0 to 1"},
		{"chat --min-p -1 --model DIR", "--min-p -1: want a probability from 0 to 1"},
		{"run -p a --top-k -2 --model DIR", "--top-k -2: want 0, for all, or more"},
		{"run -p a --seed -2 --model DIR", "--seed -2: want a whole number from 0, or -1"},
		{"run -p a --seed x", `--seed "x": want a whole number`},
		{"completion basil", `there is no completion for "basil"`},
		{"run -p a --act f64 --model DIR", `--act "f64": want bf16 or f32 or int8`},
		{"bench -p 0,0 -n 0 --model DIR", "there is nothing to measure"},
		{"bench -o sql", `--output "sql"`},
		{"chat --reasoning-effort extreme", "--reasoning-effort: "},
		{"score", "no text given"},
		{"tokenize two words", "as one argument"},
		{"score --ids - --margins 0.5 --from 1", "--from and --margins exclude each other: give one"},
		{"prefix stat x", "unexpected argument \"x\"; usage: gptoss prefix stat"},
	} {
		args := strings.Fields(c.args)
		for i, arg := range args {
			if arg == "DIR" {
				args[i] = dir // which may hold blanks
			}
		}
		out, _, err := runCommand(t, "", args...)
		require.ErrorContains(t, err, c.want)
		require.NotContains(t, err.Error(), "strconv", c.args)
		require.Equal(t, exitUsage, exitCode(err), c.args)
		require.Empty(t, out, c.args)
	}
	out, _, err := runCommand(t, "", "help", "run")
	require.NoError(t, err)
	require.Contains(t, out, "gptoss run")
	_, _, err = runCommand(t, "", "run", "-p", "a", "--model", "/does/not/exist")
	require.Equal(t, exitFailure, exitCode(err))
	require.Zero(t, exitCode(nil))
}

func TestHelpExitCodes(t *testing.T) {
	out, _, err := runCommand(t, "", "help", "exit-codes")
	require.NoError(t, err)
	for _, m := range exitMeanings {
		require.Contains(t, out, fmt.Sprintf("%3d  %s\n", m.Code, m.Meaning))
	}
	out, _, err = runCommand(t, "")
	require.NoError(t, err)
	require.Contains(t, out, "exit-codes")
}

// interrupter is an output during whose first write Ctrl-C is pressed.
type interrupter struct {
	text    strings.Builder
	t       *testing.T
	pressed chan os.Signal
}

func (w *interrupter) Write(p []byte) (int, error) {
	if w.text.Len() == 0 && len(p) > 0 {
		require.NoError(w.t, syscall.Kill(os.Getpid(), syscall.SIGINT))
		select {
		case <-w.pressed:
		case <-time.After(time.Minute):
			w.t.Error("the signal did not come")
		}
	}
	return w.text.Write(p)
}

func TestInterruptedRun(t *testing.T) {
	out := &interrupter{t: t, pressed: make(chan os.Signal, 1)}
	signal.Notify(out.pressed, os.Interrupt)
	defer signal.Stop(out.pressed)
	var notes strings.Builder
	root := newRoot()
	root.SetOut(out)
	root.SetErr(&notes)
	root.SetArgs([]string{"run", "--model", tinyTree(t), "-p", "In the beginning", "--ignore-eos"})
	err := root.Execute()
	require.ErrorIs(t, err, errInterrupted)
	require.Equal(t, exitInterrupted, exitCode(err))
	require.NotEmpty(t, strings.TrimSpace(out.text.String()), "what there was is printed")
	require.Contains(t, notes.String(), "cancelled")
}

func TestInterrupted(t *testing.T) {
	dir := tinyTree(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range []string{"run -p a", "score --ids -", "bench -r 1"} {
		root := newRoot()
		root.SetIn(strings.NewReader("1 2 3"))
		root.SetOut(&strings.Builder{})
		root.SetErr(&strings.Builder{})
		root.SetArgs(append(strings.Fields(args), "--model", dir))
		err := root.ExecuteContext(ctx)
		require.Equal(t, exitInterrupted, exitCode(err), "%s: %v", args, err)
	}
}

// What cannot be printed is a failure, not silence.
func TestOutputThatCannotBeWritten(t *testing.T) {
	dir := tinyTree(t)
	for _, args := range []string{"version", "version -v", "tokenize a", "prefix stat --prefix-dir DIR", "run -p a -n 2 --model DIR", "score --ids - --model DIR", "bench -p 1 -n 0 -r 1 --model DIR", "chat -n 20 --temp 0 --model DIR"} {
		words := strings.Fields(args)
		for i := range words {
			if words[i] == "DIR" {
				words[i] = dir
			}
		}
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		require.NoError(t, err)
		root := newRoot()
		root.SetIn(strings.NewReader("1 2"))
		root.SetOut(full)
		root.SetErr(t.Output())
		root.SetArgs(words)
		err = root.ExecuteContext(t.Context())
		require.ErrorIs(t, err, syscall.ENOSPC, args)
		require.NotContains(t, err.Error(), "\n", args)
		require.NoError(t, full.Close())
	}
}

// A folder that is not whole, or has files of another model, is told of by the file and
// what to do.
func TestBrokenFolders(t *testing.T) {
	for want, breaks := range map[string]func(dir string) error{
		"01/dense.safetensors: no such file or directory: the folder is not whole": func(dir string) error { return os.Remove(dir + "/layers/01/dense.safetensors") },
		"01/dense.safetensors: truncated: ":                                        func(dir string) error { return os.Truncate(dir+"/layers/01/dense.safetensors", 5000) },
		"config.json: vocab_size is missing":                                       func(dir string) error { return os.WriteFile(dir+"/config.json", []byte("{}"), 0o600) },
		"embedding.weight is BF16 [2048 192], the config calls for BF16 [2048 256]: one of the files is of another model": func(dir string) error {
			text, err := os.ReadFile(dir + "/config.json")
			if err != nil {
				return err
			}
			return os.WriteFile(dir+"/config.json", []byte(strings.Replace(string(text), `"hidden_size": 192`, `"hidden_size": 256`, 1)), 0o600)
		},
	} {
		dir := tinyTree(t)
		require.NoError(t, breaks(dir))
		_, _, err := runCommand(t, "", "run", "--model", dir, "-p", "a")
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "\n")
	}
}
