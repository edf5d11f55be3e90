package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestServersThreadsAskForShortSlices: all of them, since any may be the one that
// begins a read, or answers.
func TestServersThreadsAskForShortSlices(t *testing.T) {
	needMounts(t)
	cmd, _ := foregroundCommand(t)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", cmd.Process.Pid))
	require.NoError(t, err)
	ours, err := unix.SchedGetAttr(0, 0)
	for _, thread := range threads {
		if err != nil || ours.Runtime == 0 {
			break // Linux before 6.12
		}
		tid, err := strconv.Atoi(thread.Name())
		require.NoError(t, err)
		if attr, err := unix.SchedGetAttr(tid, 0); err != unix.ESRCH { // it has ended
			require.NoError(t, err)
			require.EqualValues(t, slice, attr.Runtime, "thread %d", tid)
		}
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
}
