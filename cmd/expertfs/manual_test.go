package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFlagsAreDocumented: docs/configuration.md has what the program tells of its
// flags.
func TestFlagsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	require.NoError(t, err)
	tables := run(t, "man", "--markdown").out
	require.Contains(t, string(text), tables, "make docs writes docs/configuration.md anew")
}
