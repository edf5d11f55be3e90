package main

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

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

func TestStaleMounts(t *testing.T) {
	for _, clean := range []string{"umount", "mount"} {
		point := mountTiny(t)
		pid := report(t, point).PID
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		require.Eventually(t, func() bool { return mountpoint.Stale(point) }, patience, poll)

		r := run(t, "status")
		require.Regexp(t, point+" +dead", r.out)
		require.NotZero(t, run(t, "status", point).code)
		if clean == "mount" {
			require.Zero(t, run(t, "mount", "--ram", "1MiB", "embed:tiny", point).code)
			require.Equal(t, int64(1<<20), report(t, point).Cache.Budget)
		}
		require.Equal(t, result{0, "", ""}, run(t, "umount", point))
		require.NoError(t, mountpoint.Check(point))
	}
}

// foreground starts a mount in the foreground and returns when it serves.
func foreground(t *testing.T, env []string, args ...string) (*exec.Cmd, string) {
	t.Helper()
	needMounts(t)
	point := newPoint(t)
	cmd := program(append([]string{"mount", "-f", "--ram", "4MiB", "embed:tiny", point}, args...)...)
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
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		cmd, point := foreground(t, nil)
		require.NoError(t, cmd.Process.Signal(signal))
		require.NoError(t, cmd.Wait())
		require.NoError(t, mountpoint.Check(point))
	}
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
	require.Contains(t, r.out, "expertfs_misses_total 1\n")
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
	require.Equal(t, point+"\n"+point+"/.expertfs\n", r.out)
	require.Equal(t, point, report(t, link).Mountpoint)
	require.Zero(t, run(t, "umount", link).code)
}

// TestMountHelper calls the program as mount(8) does for a line of /etc/fstab.
func TestMountHelper(t *testing.T) {
	needMounts(t)
	point := newPoint(t)
	cmd := program("embed:tiny", point, "-n", "-o", "rw,nofail,_netdev,x-systemd.automount,ram=2MiB,policy=lru")
	cmd.Args[0] = "/sbin/" + mountHelper
	r := finish(t, cmd)
	require.Zero(t, r.code, r.errors)
	require.Equal(t, int64(2<<20), report(t, point).Cache.Budget)
	require.Zero(t, run(t, "umount", point).code)
}
