package fsys_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// countEnv makes the test program count the memory of a process's experts: its value
// is the process and the length of an expert.
const countEnv = "EXPERTFS_TEST_COUNT"

// counting is held while a process is counted, and stands still: another's end of that
// would end it.
var counting sync.Mutex

// expertMemory sums the memory of the files of an expert's length that a process
// has open. The process stands still meanwhile: what it frees and what it takes while
// they are counted would both count. Another process counts, since this one stands
// still with it when it touches a page of the mount.
func expertMemory(pid int, size int64) int64 {
	counting.Lock()
	defer counting.Unlock()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d", countEnv, pid, size))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		panic(err)
	}
	var sum int64
	if _, err := fmt.Sscan(string(out), &sum); err != nil {
		panic(err)
	}
	return sum
}

// runCount counts as countEnv says.
func runCount(text string) error {
	var pid int
	var size int64
	if _, err := fmt.Sscan(text, &pid, &size); err != nil {
		return err
	}
	_ = unix.Kill(pid, unix.SIGSTOP)   // one that has ended has no memory
	defer unix.Kill(pid, unix.SIGCONT) //nolint:errcheck // as above
	for end := time.Now().Add(patience); !allStopped(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("process %d does not stop", pid)
		}
	}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		return err
	}
	var sum int64
	seen := map[[2]uint64]bool{} // a descriptor that is handed out is one more of its file
	for _, fd := range fds {
		if name, err := os.Readlink(fd); err != nil || !strings.HasSuffix(name, " (deleted)") {
			continue // no slot; and of the mount itself the process would be asked
		}
		var st unix.Stat_t
		if unix.Stat(fd, &st) == nil && st.Size == size && !seen[[2]uint64{st.Dev, st.Ino}] {
			seen[[2]uint64{st.Dev, st.Ino}] = true
			sum += st.Blocks * 512
		}
	}
	fmt.Println(sum)
	return nil
}

// allStopped tells whether no thread of a process runs.
func allStopped(pid int) bool {
	stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if !strings.ContainsAny(rest[:1], "TtZX") {
			return false
		}
	}
	return true
}
