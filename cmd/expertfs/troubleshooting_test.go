package main

import (
	"fmt"
	"os"
	"testing"

	"expertfs/fsys/mountpoint"

	"github.com/stretchr/testify/require"
)

// TestTroubleshootingHasAllCodes: whoever meets a code finds it, and what is said with
// it, in docs/troubleshooting.md.
func TestTroubleshootingHasAllCodes(t *testing.T) {
	text, err := os.ReadFile("../../docs/troubleshooting.md")
	require.NoError(t, err)
	for _, m := range exitMeanings {
		if m.code >= exitNoCheckpoint { // below are success, any failure, and usage
			require.Regexp(t, fmt.Sprintf(`[( ]%d\b`, m.code), string(text), m.meaning)
		}
	}
	for _, err := range []error{
		mountpoint.ErrMissing, mountpoint.ErrNotEmpty, mountpoint.ErrMounted, mountpoint.ErrNotMounted,
		mountpoint.ErrStale, mountpoint.ErrBusy,
	} {
		require.Contains(t, string(text), err.Error())
	}
}
