package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
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
	runtime.LockOSThread()
	ours, err := unix.SchedGetAttr(0, 0)
	if err != nil || ours.Runtime == 0 || ours.Policy != unix.SCHED_NORMAL {
		t.Skip("no slices to ask for: Linux before 6.12, or another policy")
	}
	asked := *ours
	asked.Runtime = uint64(slice)
	if err := unix.SchedSetAttr(0, &asked, 0); err != nil {
		t.Skipf("slices may not be asked for here: %v", err)
	}
	require.NoError(t, unix.SchedSetAttr(0, ours, 0), "or the server would inherit it")
	cmd, _ := foregroundCommand(t)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", cmd.Process.Pid))
	require.NoError(t, err)
	for _, thread := range threads {
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
