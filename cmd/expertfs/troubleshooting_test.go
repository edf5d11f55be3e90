package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"expertfs"
	"expertfs/fsys/mountpoint"
	"expertfs/tiers"

	"github.com/stretchr/testify/require"
)

// TestTroubleshootingHasAllCodes: whoever meets a code finds it, and what is said with
// it, in docs/troubleshooting.md.
func TestTroubleshootingHasAllCodes(t *testing.T) {
	text, err := os.ReadFile("../../docs/troubleshooting.md")
	require.NoError(t, err)
	for _, m := range exitMeanings {
		if m.Code >= exitNoCheckpoint { // below are success, any failure, and usage
			require.Regexp(t, fmt.Sprintf(`[( ]%d\b`, m.Code), string(text), m.Meaning)
		}
	}
	for _, err := range []error{
		mountpoint.ErrMissing, mountpoint.ErrNotEmpty, mountpoint.ErrMounted, mountpoint.ErrNotMounted,
		expertfs.ErrDead, mountpoint.ErrBusy, mountpoint.ErrUnwritable, mountpoint.ErrNoDevice,
		mountpoint.ErrNoFusermount, mountpoint.ErrNoPrivilege, tiers.ErrBudget,
	} {
		said, _, _ := strings.Cut(err.Error(), " (") // what is in brackets is the cure
		said = strings.TrimSuffix(said, " by this user")
		require.Contains(t, string(text), said)
	}
}
