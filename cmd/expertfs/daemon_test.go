package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"expertfs"
	"expertfs/fsys/mountpoint"

	"github.com/stretchr/testify/require"
)

func report(t *testing.T, point string) expertfs.Stats {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(point, ".expertfs/stats.json"))
	require.NoError(t, err)
	var r expertfs.Stats
	require.NoError(t, json.Unmarshal(text, &r))
	return r
}

// tinyNames spells the tree of embed:tiny.
var tinyNames = expertfs.Names{Layers: 4, Experts: 32}

const someExpert = "layers/02/experts/03.safetensors"

// TestEndedSilently: who mounts is told how a server ended that has not said so itself.
func TestEndedSilently(t *testing.T) {
	for script, want := range map[string]string{
		"kill -KILL $$": "the server was killed before it served: by the kernel if memory is short here",
		"kill -SEGV $$": "the server was ended by a signal (segmentation fault) before it served; expertfs mount -f shows",
		"exit 3":        "the server ended with code 3 before it served; ",
		"exit 0":        "the server ended before it served: EOF; ",
	} {
		require.ErrorContains(t, endedSilently(io.EOF, exec.Command("sh", "-c", script).Run()), want, script)
	}
}

func TestBusyMounts(t *testing.T) {
	point := mountTiny(t)
	f, err := os.Open(filepath.Join(point, someExpert))
	require.NoError(t, err)
	r := run(t, "umount", point)
	require.Equal(t, exitBusy, r.code)
	require.Contains(t, r.errors, "open file "+someExpert)
	require.Contains(t, r.errors, "mount is busy")

	require.Equal(t, result{0, "", ""}, run(t, "umount", "--lazy", point))
	require.NoError(t, mountpoint.Check(point), "detached at once")
	info, err := f.Stat()
	require.NoError(t, err)
	buf := make([]byte, info.Size())
	_, err = f.ReadAt(buf, 0)
	require.NoError(t, err, "its user goes on")
	require.NoError(t, f.Close())
}

func TestDeadMounts(t *testing.T) {
	for _, clean := range []string{"umount", "mount"} {
		point := mountTiny(t)
		pid := report(t, point).PID
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		require.Eventually(t, func() bool { return mountpoint.Dead(point) }, patience, poll)

		said := (&expertfs.DeadMountError{Point: point}).Error()
		r := run(t, "status")
		require.Zero(t, r.code)
		require.Regexp(t, point+" +dead\n", r.out)
		require.Contains(t, r.out, said+"\n")
		for _, args := range []string{"status", "status --json", "status --all", "web", "top", "bench", "warm", "plan", "check"} {
			r := run(t, append(strings.Fields(args), point)...)
			require.Equal(t, exitPointDead, r.code, "%s: %s", args, r.errors)
			require.Equal(t, "expertfs: "+said+"\n", r.errors, args)
			require.Empty(t, r.out, args)
		}
		_, others, err := expertfs.UsableMounts()
		require.NoError(t, err)
		require.ErrorIs(t, errors.Join(others...), expertfs.ErrDead)
		_, err = expertfs.ReadStats(point)
		require.EqualError(t, err, said)
		_, err = expertfs.Open(point)
		require.EqualError(t, err, said)
		if clean == "mount" {
			require.Zero(t, run(t, "mount", "--ram", "1MiB", "embed:tiny", point).code)
			require.Equal(t, int64(1<<20), report(t, point).Cache.Budget)
		}
		require.Equal(t, result{0, "", ""}, run(t, "umount", point))
		require.NoError(t, mountpoint.Check(point))
	}
}

// foregroundCommand makes a command that mounts in the foreground.
func foregroundCommand(t *testing.T, args ...string) (*exec.Cmd, string) {
	t.Helper()
	needMounts(t)
	point := newPoint(t)
	return program(append([]string{"mount", "-f", "--ram", "4MiB", "embed:tiny", point}, args...)...), point
}

// foreground starts a mount in the foreground and returns when it serves.
func foreground(t *testing.T, env []string, args ...string) (*exec.Cmd, string) {
	t.Helper()
	cmd, point := foregroundCommand(t, args...)
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, point+"\n", line)
	return cmd, point
}

func TestSignalsUnmount(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		learned := filepath.Join(t.TempDir(), "heat.json")
		cmd, point := foreground(t, nil, "--heat", learned)
		access(t, point, "00/01")
		require.NoError(t, cmd.Process.Signal(signal))
		require.NoError(t, cmd.Wait(), signal)
		require.NoError(t, mountpoint.Check(point))
		require.FileExists(t, learned)
	}
}

// TestLogWithoutAReader: when whoever reads stderr is gone, the next line of the log
// takes the mount down, and more lines while it is in use do not kill its server.
func TestLogWithoutAReader(t *testing.T) {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	cmd, point := foregroundCommand(t)
	cmd.Stderr = write
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.NoError(t, write.Close())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, point+"\n", line)
	f, err := os.Open(filepath.Join(point, someExpert))
	require.NoError(t, err)
	require.NoError(t, read.Close())
	refused := filepath.Join(point, ".expertfs/policy")
	held, err := os.OpenFile(refused, os.O_WRONLY, 0)
	require.NoError(t, err)
	for range 3 { // each is a line
		_, err = held.Write([]byte("nonsense"))
		require.ErrorIs(t, err, syscall.EINVAL)
	}
	require.NoError(t, held.Close())
	require.Eventually(t, func() bool { return mountpoint.Check(point) == nil }, patience, poll)
	_, err = f.ReadAt(make([]byte, 4096), 0)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, cmd.Wait())
}

// TestHangUpIsIgnoredUnderNohup: who starts a mount so wants it to outlive the terminal.
func TestHangUpIsIgnoredUnderNohup(t *testing.T) {
	needMounts(t)
	nohup, err := exec.LookPath("nohup")
	if err != nil {
		t.Skip("nohup (coreutils) is not installed")
	}
	cmd, point := foregroundCommand(t)
	cmd.Args = append([]string{nohup}, cmd.Args...)
	cmd.Path = nohup
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	time.Sleep(100 * time.Millisecond) // were it heeded, it would be so at once
	require.Equal(t, cmd.Process.Pid, report(t, point).PID)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
}

// TestServerKeepsNothingOfItsCaller: a lock and a pipe of the caller's end with him.
func TestServerKeepsNothingOfItsCaller(t *testing.T) {
	needMounts(t)
	point := newPoint(t)
	lock, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	require.NoError(t, err)
	require.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	cmd := program("mount", "--ram", "4MiB", "embed:tiny", point)
	cmd.ExtraFiles = []*os.File{lock, write}
	require.Zero(t, finish(t, cmd).code)
	require.NoError(t, write.Close())
	require.NoError(t, lock.Close())

	require.NoError(t, read.SetReadDeadline(time.Now().Add(patience)))
	_, err = read.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err, "nobody has the pipe")
	again, err := os.Open(lock.Name())
	require.NoError(t, err)
	defer again.Close()
	require.NoError(t, syscall.Flock(int(again.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), "nobody has the lock")
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", report(t, point).PID))
	require.NoError(t, err)
	require.Equal(t, "expertfs\n", string(name))
	require.Zero(t, run(t, "umount", point).code)
}

// TestMountsAtOnce mounts several times on one folder at the same time.
func TestMountsAtOnce(t *testing.T) {
	needMounts(t)
	point := newPoint(t)
	codes := make([]int, 4)
	var mounting sync.WaitGroup
	for i := range codes {
		mounting.Go(func() { codes[i] = run(t, "mount", "--ram", "1MiB", "embed:tiny", point).code })
	}
	mounting.Wait()
	slices.Sort(codes)
	require.Equal(t, []int{0, exitPointMounted, exitPointMounted, exitPointMounted}, codes)
	require.Zero(t, run(t, "umount", point).code)
	require.NoError(t, mountpoint.Check(point), "there was one")
}

// TestSignalOnABusyMount: the first signal detaches and serves on, the second
// ends.
func TestSignalOnABusyMount(t *testing.T) {
	for _, second := range []bool{false, true} {
		dir := t.TempDir()
		steps, learned := filepath.Join(dir, "trace.csv.gz"), filepath.Join(dir, "heat.json")
		cmd, point := foreground(t, nil, "--trace", steps, "--heat", learned)
		access(t, point, "00/01", "01/02")
		f, err := os.Open(filepath.Join(point, someExpert))
		require.NoError(t, err)
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		require.Eventually(t, func() bool { return mountpoint.Check(point) == nil }, patience, poll)
		if second {
			require.NoError(t, cmd.Process.Signal(os.Interrupt))
			require.Error(t, cmd.Wait())
			require.Equal(t, exitBusy, cmd.ProcessState.ExitCode())
			require.NoError(t, f.Close())
			// What was recorded is saved all the same.
			recorded, _, err := expertfs.LoadTraces(steps)
			require.NoError(t, err)
			require.NotEmpty(t, recorded)
			require.FileExists(t, learned)
			continue
		}
		_, err = f.ReadAt(make([]byte, 4096), 0)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.NoError(t, cmd.Wait())
	}
}

func TestSystemdIsNotified(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	defer conn.Close()
	cmd, point := foreground(t, []string{"NOTIFY_SOCKET=" + path})
	buf := make([]byte, 100)
	n, err := conn.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "READY=1", string(buf[:n]))
	require.Equal(t, result{0, "", ""}, run(t, "umount", point))
	require.NoError(t, cmd.Wait())
	n, err = conn.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "STOPPING=1", string(buf[:n]))
}

func TestStatus(t *testing.T) {
	point := mountTiny(t)
	_, err := os.ReadFile(filepath.Join(point, someExpert))
	require.NoError(t, err)
	r := run(t, "status")
	require.Zero(t, r.code)
	require.Regexp(t, point+` +embed:tiny +\w+ +\w+ +36 KiB +4.0 MiB +1/128 +0.0%\n`, r.out)
	r = run(t, "status", point)
	require.Zero(t, r.code)
	require.Contains(t, r.out, "0.0% of 1 uses")
	var one expertfs.Stats
	require.NoError(t, json.Unmarshal([]byte(run(t, "status", "--json", point).out), &one))
	require.Equal(t, point, one.Mountpoint)
	var all []mountStatus
	require.NoError(t, json.Unmarshal([]byte(run(t, "status", "--json").out), &all))
	found := false
	for _, m := range all {
		found = found || m.Mountpoint == point && m.Report != nil && m.Report.Cache.Misses == 1
	}
	require.True(t, found)
	require.Equal(t, exitNotMounted, run(t, "status", t.TempDir()).code)
	require.Zero(t, run(t, "umount", point).code)
}

// TestWatermarks reads more than fits below the high watermark.
func TestWatermarks(t *testing.T) {
	point := mountTiny(t, "--high", "0.5", "--low", "0.25", "--max-wait", "1s")
	for e := range 32 {
		_, err := os.ReadFile(filepath.Join(point, tinyNames.ExpertPath(expertfs.NewKey(0, e))))
		require.NoError(t, err)
		_, err = os.ReadFile(filepath.Join(point, tinyNames.ExpertPath(expertfs.NewKey(1, e))))
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		c := report(t, point).Cache
		return c.ResidentBytes <= c.Budget/2 && c.Evictions > 0
	}, patience, poll)
	require.Zero(t, run(t, "umount", point).code)
}

func TestLogFile(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(log, []byte("mine\n"), 0o644))
	point := mountTiny(t, "--log-file", log)
	require.Error(t, os.WriteFile(filepath.Join(point, ".expertfs/policy"), []byte("nonsense"), 0))
	require.Zero(t, run(t, "umount", point).code)
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(text), "mine\n"), "logs are appended")
	require.Contains(t, string(text), "nonsense")
	unquoted := strings.ReplaceAll(string(text), `"`, "")
	require.Contains(t, unquoted, "msg=mounted point="+point+" checkpoint=embed:tiny model=embed:tiny ram=4194304 policy=forecast mechanism=")
	require.Contains(t, unquoted, "msg=unmounted point="+point)
	require.NotContains(t, string(text), "level=DEBUG")
}

// TestDebugLog: on request the log has every request of the kernel.
func TestDebugLog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	point := mountTiny(t, "--log-file", log, "--log-level", "debug")
	access(t, point, "00/01")
	require.Zero(t, run(t, "umount", point).code)
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Contains(t, string(text), "level=DEBUG")
	require.Regexp(t, `OPEN.*\n`, string(text))
}

func TestForcedMechanisms(t *testing.T) {
	for flag, want := range map[string]expertfs.Mechanism{
		"--no-passthrough": expertfs.Direct, "--mechanism=direct": expertfs.Direct, "--mechanism=cached": expertfs.Cached,
		"-oro,no-passthrough": expertfs.Direct,
	} {
		point := mountTiny(t, flag)
		r := report(t, point)
		require.Equal(t, want, r.Mechanism, flag)
		require.Equal(t, "asked for", r.Why, flag)
		require.Zero(t, run(t, "umount", point).code)
	}
}

func TestMountPointsBehindSymlinks(t *testing.T) {
	needMounts(t)
	point := newPoint(t)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(point, link))
	r := run(t, "mount", "--ram", "4MiB", "embed:tiny", link)
	require.Zero(t, r.code, r.errors)
	require.True(t, strings.HasPrefix(r.out, point+"\n"+point+"/.expertfs\n"), r.out)
	require.Equal(t, point, report(t, link).Mountpoint)
	require.Zero(t, run(t, "umount", link).code)
}
