package main

import (
	"strings"
	"testing"

	"expertfs"
	"expertfs/cmd/internal/display"

	"github.com/stretchr/testify/require"
)

// TestNothingCommandsTheTerminal: neither what a mount says of itself, nor a path.
func TestNothingCommandsTheTerminal(t *testing.T) {
	const command = "\x1b[2J\u009b1m\a"
	s := busyMount()
	s.Model, s.Mountpoint, s.Readers[0].Name = "größe"+command, "/mnt/"+command, command
	var b strings.Builder
	require.NoError(t, printSummary(display.Writer{Out: &b}, s))
	require.NoError(t, printReaders(display.Writer{Out: &b}, []mountStatus{{Mountpoint: s.Mountpoint, Report: s}}))
	printReadPaths(display.Writer{Out: &b}, []mountStatus{{Mountpoint: s.Mountpoint, Report: &expertfs.Stats{Why: command}}})
	r := run(t, "status", "/"+command)
	require.Equal(t, exitPointMissing, r.code)
	for _, text := range []string{b.String(), r.errors} {
		require.NotEmpty(t, text)
		require.NotContains(t, text, "\x1b")
		require.NotContains(t, text, "\u009b")
		require.NotContains(t, text, "\a")
	}
	require.Contains(t, b.String(), "\nmodel    größe\ufffd[2J")
}
