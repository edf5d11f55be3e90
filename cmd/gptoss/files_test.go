package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The limit of open files is raised where that is allowed, and as far as it may be
// where it is not.
func TestRaiseFileLimit(t *testing.T) {
	const child = "GPTOSS_TEST_FILE_LIMIT"
	if os.Getenv(child) == "" {
		again := exec.Command(os.Args[0], "-test.run=^TestRaiseFileLimit$")
		again.Env = append(os.Environ(), child+"=1")
		out, err := again.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return
	}
	low := unix.Rlimit{Cur: 64, Max: 200}
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &low))
	raiseFileLimit()
	var got unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &got))
	require.Contains(t, []uint64{200, mostFiles}, got.Cur)
	if os.Geteuid() != 0 {
		require.EqualValues(t, 200, got.Cur)
	}
}
