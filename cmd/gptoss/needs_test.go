package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Flags that do nothing are told of, each with the reason, and others are not.
func TestIdleFlags(t *testing.T) {
	dir := tinyTree(t)
	ids := filepath.Join(t.TempDir(), "ids")
	require.NoError(t, os.WriteFile(ids, []byte("5 6 7"), 0o600))
	for _, c := range []struct{ args, want string }{
		{"run -p a -n 1 --temp 0 --seed 3", "--seed does nothing without --temp above 0"},
		{"run -p a -n 1 --temp 0 --top-k 3", "--top-k does nothing without "},
		{"run -p a -n 1 --prefix-size 1MiB", "--prefix-size does nothing without a folder"},
		{"run -n 1 --special --ids IDS", "--special does nothing without a text"},
		{"run -n 1 --ignore-eos --ids IDS", "--ignore-eos does nothing without a text"},
		{"run -p a -n 1 --special --seed 1", ""},
		{"score --ids IDS --prefix-ram 1MiB", "--prefix-ram does nothing without --from N"},
		{"score --ids IDS --from 1 --prefix-ram 1MiB", ""},
		{"bench -p 1 -n 0 --n-parallel 1 -r 2", "--repetitions does nothing without "},
		{"bench -p 1 -n 0 -r 1 --per-layer -o csv", "--per-layer does nothing without "},
		{"bench -p 1 -n 0 -r 1 --drive-speed 1GB/s", ""},
		{"chat -n 1 --date none", "--date does nothing without a system message"},
		{"chat -n 1 --system-message on --date none --reasoning-effort low", ""},
		{"prefix ls --json --model DIR", "--model does nothing without "},
	} {
		args := strings.Fields(c.args)
		for i, arg := range args {
			switch arg {
			case "IDS":
				args[i] = ids
			case "DIR":
				args[i] = dir
			}
		}
		if args[0] != "prefix" {
			args = append(args, "--model", dir)
		} else {
			args = append(args, "--prefix-dir", t.TempDir())
		}
		_, notes, err := runCommand(t, "Hello", args...)
		require.NoError(t, err, c.args)
		if c.want == "" {
			require.NotContains(t, notes, "does nothing", c.args)
		} else {
			require.Contains(t, notes, "gptoss: warning: "+c.want, c.args)
		}
	}
}
