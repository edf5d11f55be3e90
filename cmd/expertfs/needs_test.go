package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"expertfs/cmd/internal/usage"

	"github.com/stretchr/testify/require"
)

// TestIdleOptions gives a mount options that do nothing, in each way that there is.
func TestIdleOptions(t *testing.T) {
	idle := func(args ...string) []string {
		var c mountConfig
		o := c.declare()
		require.NoError(t, o.flags.Parse(args))
		o.given = given(o.flags)
		require.NoError(t, c.locate(o, o.flags.Args()))
		for _, list := range o.lists {
			require.NoError(t, o.set(list))
		}
		return usage.Idle(c.needs(), o.how)
	}
	require.Empty(t, idle("embed:tiny", "m"))
	require.Equal(t, []string{"--http-key-file does nothing without --http", "--cache-dir does nothing without a checkpoint on a network",
		"option cache-size does nothing without a checkpoint on a network"}, idle("--http-key-file=k", "--cache-dir=d", "-o", "cache-size=1GiB", "embed:tiny", "m"))
	require.Empty(t, idle("--http-key-file=k", "--http=127.0.0.1:0", "--cache-dir=d", "--cache-size=1GiB", "s3://bucket/prefix", "m"))
	require.Equal(t, []string{"--cache-size does nothing without a cache, and --cache-dir none keeps none"}, idle("--cache-dir=none", "--cache-size=1GiB", "hf://a/b", "m"))
	require.Len(t, idle("--seed=2", "--no-forecast", "--policy=lru", "--low=0.5", "--log-format=json", "--plain-http", "/model", "m"), 5)
	require.Empty(t, idle("--seed=2", "--policy=random", "--high=0.9", "--low=0.5", "--log-format=json", "-f", "/model", "m"))

	file := filepath.Join(t.TempDir(), "conf")
	require.NoError(t, os.WriteFile(file, []byte("checkpoint = embed:tiny\nmountpoint = /m\ncache-size = 1GiB\nhttp-key-file = k\n"), 0o600))
	require.Equal(t, []string{"http-key-file of " + file + " does nothing without --http", "cache-size of " + file + " does nothing without a checkpoint on a network"},
		idle("--config", file))
}

// TestIdleOptionsAreTold by commands.
func TestIdleOptionsAreTold(t *testing.T) {
	needMounts(t)
	point := newPoint(t)
	r := run(t, "mount", "--ram", "4MiB", "-o", "cache-size=1GiB", "embed:tiny", point)
	require.Zero(t, r.code, r.errors)
	require.Contains(t, r.errors, "expertfs: warning: option cache-size does nothing without a checkpoint on a network\n")
	require.Contains(t, run(t, "bench", "--tokens", "3", "--rounds", "1", point).errors, "warning: --tokens does nothing without --routing")
	require.Zero(t, run(t, "umount", point).code)
	for _, command := range []string{"check", "plan"} {
		r := run(t, command, "--plain-http", "embed:tiny")
		require.Zero(t, r.code)
		require.Equal(t, 1, strings.Count(r.errors, "--plain-http does nothing without a checkpoint on a network"), r.errors)
	}
}

// TestNeedsAreOptions: a name that no option has is never told of.
func TestNeedsAreOptions(t *testing.T) {
	var c mountConfig
	o := c.declare()
	for _, n := range c.needs() {
		require.NotNil(t, o.flags.Lookup(n.Flag), n.Flag)
	}
}
