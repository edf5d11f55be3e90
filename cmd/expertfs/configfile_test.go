package main

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.conf")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// TestConfigFile: the file's options are those of -o; flags and -o outrank it.
func TestConfigFile(t *testing.T) {
	path := writeConfig(t, `# a mount
checkpoint = embed:tiny
mountpoint = /mnt/some where

ram=41%
policy = ewma:alpha=0.5,beta=2
allow_other
shadow = lru
shadow = lfu
`)
	var c mountConfig
	o := c.declare()
	require.NoError(t, o.flags.Parse([]string{"--config", path, "--ram", "2MiB", "-o", "policy=lru"}))
	o.given = given(o.flags)
	require.NoError(t, c.locate(o, nil))
	require.NoError(t, o.set(o.lists[0]))
	require.Equal(t, []string{"embed:tiny", "/mnt/some where"}, []string{c.checkpoint, c.point})
	require.Equal(t, []any{"2MiB", "lru", true, []string{"lru", "lfu"}}, []any{c.ram, c.policy, c.allowOther, c.shadows})

	require.NoError(t, c.locate(o, []string{"a", "b"}))
	require.Equal(t, []string{"a", "b"}, []string{c.checkpoint, c.point})
	require.ErrorContains(t, c.locate(o, []string{"a"}), "both")
}

func TestConfigFileFaults(t *testing.T) {
	for text, complaint := range map[string]string{
		"ram = 1MiB\nrom = 2MiB\n":  ":2: unknown mount option",
		"ram\n":                     ":1: option ram: wants a value",
		"\n\nallow_other = yes\n":   ":3: option allow_other: takes no value",
		"high = much\n":             `:1: option high "much": want a number`,
		"mountpoint = /mnt\n":       "no checkpoint is given",
		"config = other.conf\n":     ":1: unknown mount option",
		"checkpoint = embed:tiny\n": "no mountpoint is given",
	} {
		path := writeConfig(t, text)
		r := run(t, "mount", "--config", path)
		require.Equal(t, exitUsage, r.code, text)
		require.Contains(t, r.errors, complaint, text)
	}
	long := writeConfig(t, strings.Repeat("#", bufio.MaxScanTokenSize))
	require.Contains(t, run(t, "mount", "--config", long).errors, "expertfs: "+long)
	missing := filepath.Join(t.TempDir(), "none.conf")
	r := run(t, "mount", "--config", missing)
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.errors, "expertfs: --config: open "+missing)
}

func TestManualPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man")
	require.Zero(t, run(t, "man", dir).code)
	page, err := os.ReadFile(filepath.Join(dir, "expertfs-mount.1"))
	require.NoError(t, err)
	require.Contains(t, string(page), "--ram")
	require.FileExists(t, filepath.Join(dir, "expertfs.1"))
	require.NoFileExists(t, filepath.Join(dir, "expertfs-completion.1"))
}
