package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"expertfs"
	"expertfs/fsys/mountpoint"

	"github.com/stretchr/testify/require"
)

// gone tells whether a process has ended; it may wait for its parent to see that.
func gone(pid int) bool {
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err != nil || strings.Contains(string(state), "State:\tZ")
}

// endServer makes sure that a server which a test keeps alive ends with the test.
func endServer(t *testing.T, pid int) {
	t.Helper()
	t.Cleanup(func() {
		if !gone(pid) {
			require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		}
	})
}

// TestUmountTellsWhoKeepsTheServer unmounts what a process in another mount
// namespace has mounted still.
func TestUmountTellsWhoKeepsTheServer(t *testing.T) {
	needNamespaces(t)
	point := mountTiny(t)
	server := report(t, point).PID
	endServer(t, server)
	// Cat keeps this one mount, until its stdin ends.
	keeper := exec.Command("sh", "-c", `keep="$0"; `+letGo+"echo ready; exec cat", point)
	keeper.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	stdin, err := keeper.StdinPipe()
	require.NoError(t, err)
	stdout, err := keeper.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, keeper.Start())
	_, err = io.ReadFull(stdout, make([]byte, len("ready\n")))
	require.NoError(t, err)

	begin := time.Now()
	r := run(t, "umount", point)
	require.Equal(t, exitServerLives, r.code, r.errors)
	require.Contains(t, r.errors, fmt.Sprintf("%s is unmounted, but its server (pid %d) goes on: ", point, server))
	require.Contains(t, r.errors, fmt.Sprintf("cat (pid %d) has it at %s in a mount namespace of its own", keeper.Process.Pid, point))
	require.Less(t, time.Since(begin), patience)
	require.NoError(t, mountpoint.Check(point))
	require.False(t, gone(server))

	require.NoError(t, stdin.Close())
	require.NoError(t, keeper.Wait())
	require.Eventually(t, func() bool { return gone(server) }, patience, poll)
}

// TestUmountBesideThoseWhoLook: who looks at a mount for moments, and again and again,
// is not taken for its user.
func TestUmountBesideThoseWhoLook(t *testing.T) {
	point := mountTiny(t)
	looks := exec.Command("sh", "-c", `while cat "$0" >/dev/null 2>&1; do :; done`, filepath.Join(point, ".expertfs/stats"))
	require.NoError(t, looks.Start())
	r := run(t, "umount", point)
	require.Zero(t, r.code, r.errors)
	require.NoError(t, looks.Wait())
}

// letGo is for scripts in a mount namespace of their own: they let go of the mounts of
// tests that run beside them, whose servers could not end. The one at $keep stays.
const letGo = `grep ' fuse.expertfs ' /proc/self/mountinfo | cut -d' ' -f5 | while read -r m; do
	m=$(printf '%b' "$m"); [ "$m" = "${keep-}" ] || umount -l "$m" 2>/dev/null || true; done; `

// inNamespace runs a script in a mount namespace that ends with it and with what it
// leaves running. $0 is the program; what is mounted on goes with the namespace.
func inNamespace(t *testing.T, script string, args ...string) result {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", "set -e; " + letGo + script, os.Args[0]}, args...)...)
	cmd.Env = append(os.Environ(), programEnv+"=1", "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	return finish(t, cmd)
}

func needNamespaces(t *testing.T) {
	t.Helper()
	needMounts(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root to make mount namespaces")
	}
}

// TestBindMounts: a bind mount of all keeps the server, and is a mount like the
// first; one of a part is neither listed nor waited for.
func TestBindMounts(t *testing.T) {
	needNamespaces(t)
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	r := inNamespace(t, `cd "$1"
		"$0" mount --ram 1MiB --log-file log embed:tiny a >/dev/null
		mount --bind a/layers b
		"$0" status | grep "^$1/"
		"$0" umount b
		mount --bind a c
		"$0" umount a || echo "code $?"
		"$0" status | grep "^$1/"
		"$0" umount c`, dir)
	require.Zero(t, r.code, r.errors)
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	require.Len(t, lines, 3, r.out)
	require.True(t, strings.HasPrefix(lines[0], dir+"/a "), lines[0])
	require.Equal(t, fmt.Sprint("code ", exitServerLives), lines[1])
	require.True(t, strings.HasPrefix(lines[2], dir+"/c "), lines[2])
	require.Contains(t, r.errors, "goes on: it is mounted at "+dir+"/c too")
}

// TestServerThatDoesNotAnswer stops a server: nothing that is asked about its mount
// may wait for it without end.
func TestServerThatDoesNotAnswer(t *testing.T) {
	point := mountTiny(t)
	server := report(t, point).PID
	endServer(t, server)
	require.NoError(t, syscall.Kill(server, syscall.SIGSTOP))
	require.Eventually(t, func() bool { return mountpoint.Stopped(server) }, patience, poll)

	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(point, link))
	commands := [][]string{{"status"}, {"status", link}, {"mount", "--ram", "1MiB", "embed:tiny", link}, {"bench", point}, {"warm", point}}
	results := make([]result, len(commands))
	begin := time.Now()
	var running sync.WaitGroup
	for i, args := range commands {
		running.Go(func() { results[i] = run(t, args...) })
	}
	running.Wait()
	require.Less(t, time.Since(begin), patience)
	require.Regexp(t, point+" +its server (is stopped: kill -CONT|does not answer)", results[0].out)
	require.Equal(t, exitFailure, results[1].code)
	for _, i := range []int{1, 3, 4} {
		require.Regexp(t, regexp.QuoteMeta(point)+": the server does not answer: (it is stopped, and kill -CONT|expertfs umount --lazy "+regexp.QuoteMeta(expertfs.ShellQuote(point))+")", results[i].errors)
	}
	require.Equal(t, exitPointMounted, results[2].code, results[2].errors)
	require.Equal(t, exitFailure, results[3].code)
	require.Equal(t, exitFailure, results[4].code)

	r := run(t, "umount", link)
	for r.code == exitBusy && time.Since(begin) < patience { // tests beside this one look at all mounts, and wait for it
		r = run(t, "umount", link)
	}
	require.Equal(t, exitServerLives, r.code, r.errors)
	require.Contains(t, r.errors, point+" is unmounted, but its server")
	require.Less(t, time.Since(begin), 2*patience)
	require.NoError(t, mountpoint.Check(point), "nothing of ours keeps it busy")
	require.NoError(t, syscall.Kill(server, syscall.SIGCONT))
	require.Eventually(t, func() bool { return gone(server) }, patience, poll)
}

func TestLazyUmountOfAStoppedServer(t *testing.T) {
	point := mountTiny(t)
	server := report(t, point).PID
	endServer(t, server)
	f, err := os.Open(filepath.Join(point, someExpert))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(server, syscall.SIGSTOP))
	begin := time.Now()
	require.Equal(t, exitBusy, run(t, "umount", point).code)
	require.Equal(t, result{0, "", ""}, run(t, "umount", "--lazy", point))
	require.Less(t, time.Since(begin), patience)
	require.NoError(t, mountpoint.Check(point))
	require.NoError(t, syscall.Kill(server, syscall.SIGCONT))
	require.NoError(t, f.Close())
	require.Eventually(t, func() bool { return gone(server) }, patience, poll)
}

// TestServerInAnotherPidNamespace: the number that the mount gives for its server
// is another process's here, maybe one that never ends.
func TestServerInAnotherPidNamespace(t *testing.T) {
	needNamespaces(t)
	if _, err := exec.LookPath("unshare"); err != nil {
		t.Skip("unshare (util-linux) is not installed")
	}
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "mnt"), 0o755))
	begin := time.Now()
	// The server is number 1 where it runs; number 1 here is the system's.
	r := inNamespace(t, `cd "$1"
		unshare --pid --fork "$0" mount -f --ram 1MiB --log-file log embed:tiny mnt > ready &
		until [ -s ready ]; do sleep 0.05; done
		grep '"pid"' mnt/.expertfs/stats.json
		"$0" umount mnt
		wait $!`, dir)
	require.Zero(t, r.code, r.errors)
	require.Contains(t, r.out, `"pid": 1,`)
	require.Less(t, time.Since(begin), patience)
}
