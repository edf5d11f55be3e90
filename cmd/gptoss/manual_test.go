package main

import (
	"os"
	"testing"

	"expertfs/cmd/internal/manual"

	"github.com/stretchr/testify/require"
)

// TestFlagsAreDocumented: docs/configuration.md has what the program tells of its
// flags.
func TestFlagsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	require.NoError(t, err)
	tables := manual.Options(newRoot())
	require.Contains(t, tables, "### gptoss prefix\n", "flags of all commands below one")
	require.Contains(t, string(text), tables, "make docs writes docs/configuration.md anew")
}
