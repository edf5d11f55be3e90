package fsys

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHiddenThreadsAreNotKilled: where proc is mounted with hidepid, a thread that
// it does not show may well be alive.
func TestHiddenThreadsAreNotKilled(t *testing.T) {
	child := exec.Command("cat") // until its stdin ends
	stdin, err := child.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	thread := uint32(child.Process.Pid)
	hidden := t.TempDir() // as proc looks to who may see nobody
	for _, proc := range []string{"/proc", hidden} {
		require.False(t, beingKilled(proc, thread), proc)
		require.False(t, beingKilled(proc, uint32(os.Getpid())), proc)
		require.False(t, beingKilled(proc, 0), proc)
	}
	require.NoError(t, stdin.Close())
	require.NoError(t, child.Wait())
	for _, proc := range []string{"/proc", hidden} {
		require.True(t, beingKilled(proc, thread), proc)
	}
}
