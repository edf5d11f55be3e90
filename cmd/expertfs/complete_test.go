package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCompletion asks as shells do.
func TestCompletion(t *testing.T) {
	for words, want := range map[string]string{
		"mount --policy ":        "lru\n",
		"mount --shadow ":        "forecast\n",
		"mount --log-level ":     "debug\n",
		"mount --log-format ":    "json\n",
		"mount -o ro,":           "ro,ram=\n",
		"synth --preset ":        "20b\n",
		"synth --layout ":        "huggingface\n",
		"replay --policy ":       "belady\n",
		"mount ":                 ":0\n",  // files
		"mount --heat ":          ":0\n",  // files
		"mount model ":           ":16\n", // folders
		"mount --mirror ":        ":16\n",
		"synth ":                 ":16\n",
		"mount --max-wait ":      ":4\n", // neither
		"mount model point ":     ":4\n",
		"version ":               ":4\n",
		"bench --scratch ":       ":16\n",
		"mount --http-key-file ": ":0\n",
	} {
		r := run(t, append([]string{"__complete"}, strings.Split(words, " ")...)...)
		require.Zero(t, r.code)
		require.Contains(t, r.out, want, words)
	}
	for _, command := range []string{"mount", "web", "check", "bench"} {
		require.NotContains(t, run(t, "__complete", command, "--").out, "`", command)
	}
}

func TestCompletionOfMounts(t *testing.T) {
	point := mountTiny(t)
	for _, command := range []string{"umount", "status", "top", "web", "bench", "warm"} {
		require.Contains(t, run(t, "__complete", command, "").out, point+"\n", command)
	}
	require.NotContains(t, run(t, "__complete", "status", point, "").out, point)
	require.Zero(t, run(t, "umount", point).code)
}
