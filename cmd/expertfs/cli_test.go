package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/syslog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"expertfs"
	"expertfs/fsys/mountpoint"

	"github.com/stretchr/testify/require"
)

// The tests run the program as users do: the test binary, started again with
// this variable set, is the program.
const programEnv = "EXPERTFS_TEST_PROGRAM"

// patience turns a hang into a failure; poll is how often to look meanwhile.
const (
	patience = 2 * time.Minute
	poll     = 10 * time.Millisecond
)

func TestMain(m *testing.M) {
	if _, ok := os.LookupEnv(programEnv); ok {
		main()
		return
	}
	// Programs begin with the signals ignored that whoever starts them ignores. Under
	// nohup that would be this one, on which some of them are to end.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	os.Exit(runTests(m))
}

// runTests fails when tests leave mounts of theirs behind.
func runTests(m *testing.M) int {
	code := m.Run()
	mounts, err := mountpoint.List()
	if err != nil {
		panic(err)
	}
	for _, mount := range mounts {
		if strings.Contains(mount.Point, testFolder) {
			fmt.Println("left mounted:", mount.Point)
			code = 1
		}
	}
	return code
}

// testFolder is in the path of every mount point of these tests.
var testFolder = fmt.Sprintf("expertfs-cli-%d", os.Getpid())

// program makes a command of the program.
func program(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	// A binary with the race detector sleeps for a second at its end, by default.
	cmd.Env = append(os.Environ(), programEnv+"=1", "GORACE=atexit_sleep_ms=0")
	return cmd
}

// result is what a command has printed and ended with.
type result struct {
	code        int
	out, errors string
}

// run runs the program to its end.
func run(t testing.TB, args ...string) result {
	t.Helper()
	return finish(t, program(args...))
}

func finish(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Start())
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil {
		require.True(t, errors.As(err, &exit), "%v", err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// newPoint makes an empty folder to mount on, free of symlinks, and makes sure
// that nothing is mounted on it in the end.
func newPoint(t testing.TB) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	point := filepath.Join(dir, testFolder)
	require.NoError(t, os.Mkdir(point, 0o755))
	t.Cleanup(func() {
		if _, err := mountpoint.Find(point); err == nil {
			require.NoError(t, mountpoint.Unmount(point, true))
		}
	})
	return point
}

func needMounts(t testing.TB) {
	t.Helper()
	if err := mountpoint.Possible(); err != nil {
		t.Skip("cannot mount here: ", err)
	}
}

// mountTiny mounts the embedded model in the background.
func mountTiny(t *testing.T, flags ...string) string {
	t.Helper()
	needMounts(t)
	point := newPoint(t)
	r := run(t, append(append([]string{"mount", "--ram", "4MiB", "--log-file", filepath.Join(t.TempDir(), "log")}, flags...), "embed:tiny", point)...)
	require.Zero(t, r.code, r.errors)
	require.Empty(t, r.errors)
	require.Regexp(t, "^"+point+"\n"+point+"/.expertfs\nreads: .*\n$", r.out)
	return point
}

// TestMountWarns has a mount say that its budget bounds nothing, and status that the
// log is lost, where it is.
func TestMountWarns(t *testing.T) {
	needMounts(t)
	point := newPoint(t)
	r := run(t, "mount", "--ram", "100TiB", "embed:tiny", point)
	require.Zero(t, r.code)
	require.Contains(t, r.errors, "expertfs: warning: the RAM budget of 100 TiB is above the ")
	log, err := syslog.New(syslog.LOG_DAEMON, "expertfs")
	if err == nil {
		require.NoError(t, log.Close())
	}
	require.NotContains(t, r.errors, "log", "what is so at each mount is in its figures")
	require.Equal(t, err != nil, strings.Contains(run(t, "status", point).out, "nothing is logged: --log-file"))
	require.Zero(t, run(t, "umount", point).code)
}

func TestUsageErrors(t *testing.T) {
	for _, args := range []string{
		"no-such-command", "mount", "mount a", "mount a b c", "mount --no-such-flag a b", "mount --ram much embed:tiny m",
		"mount --dense some embed:tiny m", "mount --policy no-such-policy embed:tiny m", "mount -o no_such_option embed:tiny m", "mount -o ram embed:tiny m",
		"mount -o ro=1 embed:tiny m", "mount --log-level loud embed:tiny m", "mount --log-format xml embed:tiny m", "mount --mechanism magic embed:tiny m",
		"mount --low 0.9 --high 0.8 embed:tiny m", "mount --high 2 embed:tiny m", "mount --high 0 embed:tiny m", "mount --max-wait 0s embed:tiny m",
		"umount", "status a b", "version x", "help nosuch", "help mount nosuch", "replay --json --csv a", "replay --ram 25% --ram-for-hit 90% a",
		"mount --http nonsense embed:tiny m", "mount --http 127.0.0.1:99999 embed:tiny m", "web --http nonsense m", "mount --http-key-file no-such-file embed:tiny m",
		"bench --rounds 0 m", "bench --experts -1 m", "bench --tokens -1 --routing t m", "completion basil", "mount --trace no-such-folder/t.csv embed:tiny m", "mount --log-file no-such-folder/log embed:tiny m", "mount --heat no-such-folder/h.json embed:tiny m",
	} {
		r := run(t, strings.Fields(args)...)
		require.Equal(t, exitUsage, r.code, args)
		require.True(t, strings.HasPrefix(r.errors, "expertfs: "), "%s: %q", args, r.errors)
		require.Empty(t, r.out, args)
	}
}

// TestUsageErrorsNameFlags: a bad value is shown with its flag, and with what is
// allowed.
func TestUsageErrorsNameFlags(t *testing.T) {
	for args, want := range map[string]string{
		"mount --seed x embed:tiny m":               `--seed "x": want a whole number from 0`,
		"mount --high x embed:tiny m":               `--high "x": want a number`,
		"mount -o high=x embed:tiny m":              `option high "x": want a number`,
		"mount --high 2 embed:tiny m":               "--high 2: want a share of the budget, above 0 and at most 1",
		"mount --high NaN embed:tiny m":             "--high NaN: want a share",
		"mount --low 0.9 --high 0.8 embed:tiny m":   "--low 0.9: want a share of the budget from 0 to that of --high, 0.8",
		"mount --max-wait x embed:tiny m":           `--max-wait "x": want a time such as`,
		"mount --http nonsense embed:tiny m":        `--http "nonsense": want HOST:PORT, such as 127.0.0.1:9464`,
		"web --http 127.0.0.1:99999 m":              `--http "127.0.0.1:99999": want HOST:PORT`,
		"mount --http-key-file /nowhere embed:tiny": "no mountpoint is given",
		"replay --streams x a":                      `--streams "x": want a whole number`,
		"mount --rom 1 embed:tiny m":                "unknown flag: --rom; expertfs mount --help lists the flags",
	} {
		require.Contains(t, run(t, strings.Fields(args)...).errors, want, args)
	}
}

// TestNothingIsWrittenBelowTheMount: what the mount would hide is refused, also by way of
// a link, and what is beside it is not.
func TestNothingIsWrittenBelowTheMount(t *testing.T) {
	needMounts(t)
	point := newPoint(t)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(point, link))
	for _, flag := range []string{"--trace", "--heat", "--log-file", "--cache-dir"} {
		for _, path := range []string{filepath.Join(point, "x"), filepath.Join(link, "x"), point + "/../" + testFolder + "/x"} {
			r := run(t, "mount", "--ram", "4MiB", flag, path, "embed:tiny", point)
			require.Equal(t, exitUsage, r.code, r.errors)
			require.Contains(t, r.errors, flag+" ")
			require.Contains(t, r.errors, "lies in the mount point")
		}
	}
	require.NoError(t, mountpoint.Check(point), "nothing is in it")
	r := run(t, "mount", "--ram", "4MiB", "--log-file", point+".log", "embed:tiny", link)
	require.Zero(t, r.code, r.errors)
}

func TestUsageIsShown(t *testing.T) {
	r := run(t, "mount", "a")
	require.Equal(t, "expertfs: no mountpoint is given; usage: expertfs mount CHECKPOINT MOUNTPOINT, or --config FILE with lines \"checkpoint = ...\" and \"mountpoint = ...\"\n", r.errors)
}

func TestHelp(t *testing.T) {
	r := run(t)
	require.Zero(t, r.code)
	require.Contains(t, r.out, "mount")
	r = run(t, "help", "exit-codes")
	require.Zero(t, r.code)
	for _, m := range exitMeanings {
		require.Contains(t, r.out, fmt.Sprintf("%2d  %s\n", m.Code, m.Meaning))
	}
	r = run(t, "help", "mount")
	require.Zero(t, r.code)
	require.Equal(t, run(t, "mount", "--help").out, r.out)
	require.Equal(t, run(t, "version"), run(t, "--version"))
	r = run(t, "version")
	require.Zero(t, r.code)
	require.Regexp(t, `^expertfs \S+.* go1\.`, r.out)
	r = run(t, "version", "-v")
	require.Zero(t, r.code)
	require.Contains(t, r.out, "github.com/spf13/cobra")
	require.NotContains(t, run(t, "mount", "--help").out, "--memfd")
}

func TestExitCodesDiffer(t *testing.T) {
	seen := make(map[int]bool)
	for _, m := range exitMeanings {
		require.False(t, seen[m.Code], m.Code)
		seen[m.Code] = true
	}
}

// TestCodeOfSeveralErrors: several mounts are taken down at once, and what hinders
// most gives the code, in whatever order it comes.
func TestCodeOfSeveralErrors(t *testing.T) {
	for range 20 { // an order that is drawn would show
		for _, errs := range [][]error{
			{mountpoint.ErrNotMounted, mountpoint.ErrBusy, mountpoint.ErrMissing},
			{mountpoint.ErrMissing, fmt.Errorf("a: %w", mountpoint.ErrBusy), mountpoint.ErrNotMounted},
			{fmt.Errorf("b: %w", errors.Join(errors.New("other"), mountpoint.ErrBusy)), mountpoint.ErrMissing},
		} {
			require.Equal(t, exitBusy, exitCode(errors.Join(errs...)))
		}
	}
	require.Equal(t, exitServerLives, exitCode(errors.Join(mountpoint.ErrBusy, withCode(exitServerLives, errors.New("goes on")))))
	require.Equal(t, exitFailure, exitCode(errors.New("other")))

	missing := newPoint(t) + "-missing"
	for _, points := range [][]string{{t.TempDir(), missing}, {missing, t.TempDir()}} {
		r := run(t, append([]string{"umount"}, points...)...)
		require.Equal(t, exitPointMissing, r.code)
		require.Contains(t, r.errors, "not an expertfs mount")
	}
}

func TestMountErrors(t *testing.T) {
	needMounts(t)
	point := newPoint(t)
	empty := t.TempDir()
	full := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(full, "file"), nil, 0o644))
	for _, c := range []struct {
		code int
		text string
		args []string
	}{
		{exitNoCheckpoint, "no-such-model", []string{filepath.Join(empty, "no-such-model"), point}},
		{exitNoCheckpoint, "embed:other", []string{"embed:other", point}},
		{exitBadCheckpoint, full, []string{full, point}},
		{exitPointMissing, "does not exist", []string{"embed:tiny", filepath.Join(empty, "missing")}},
		{exitPointMissing, filepath.Join(empty, "no-such-model") + ": no such checkpoint; and " + filepath.Join(empty, "missing") + ": mount point does not exist: mkdir -p ",
			[]string{filepath.Join(empty, "no-such-model"), filepath.Join(empty, "missing")}},
		{exitPointNotDir, "not a directory", []string{"embed:tiny", filepath.Join(full, "file")}},
		{exitPointNotEmpty, `"file"`, []string{"embed:tiny", full}},
		{exitPointNotEmpty, "the checkpoint comes first: expertfs mount " + expertfs.ShellQuote(full) + " " + expertfs.ShellQuote(empty), []string{empty, full}},
		{exitSmallBudget, "4 experts x", []string{"--ram", "64KiB", "embed:tiny", point}},
	} {
		for _, extra := range [][]string{{"mount"}, {"mount", "-f"}} {
			r := run(t, append(extra, c.args...)...)
			require.Equal(t, c.code, r.code, r.errors)
			require.Equal(t, 1, strings.Count(r.errors, "expertfs: "), r.errors)
			require.Contains(t, r.errors, c.text)
			require.Empty(t, r.out)
		}
	}
	require.NoError(t, mountpoint.Check(point), "nothing is left of the failures")
}

func TestMountAndUmount(t *testing.T) {
	point := mountTiny(t)
	r := run(t, "mount", "embed:tiny", point)
	require.Equal(t, exitPointMounted, r.code, r.errors)

	var report struct{ PID int }
	text, err := os.ReadFile(filepath.Join(point, ".expertfs/stats.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &report))
	comm, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", report.PID))
	require.NoError(t, err)
	require.Equal(t, "/", comm, "the server must not keep a folder busy")

	require.Equal(t, result{0, "", ""}, run(t, "umount", point))
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", report.PID))
	require.True(t, err != nil || bytes.Contains(state, []byte("State:\tZ")), "umount waits for the server")
	require.NoError(t, mountpoint.Check(point))
	require.Equal(t, exitNotMounted, run(t, "umount", point).code)
	require.Equal(t, exitPointMissing, run(t, "umount", point+"-missing").code)
}

func TestSmallBudgetIsWarnedOf(t *testing.T) {
	needMounts(t)
	point := newPoint(t)
	r := run(t, "mount", "--log-file", filepath.Join(t.TempDir(), "log"), "--ram", "200KiB", "embed:tiny", point)
	require.Zero(t, r.code)
	require.Contains(t, r.errors, "warning: the RAM budget of 200 KiB is below what one token uses, 4 layers x 4 experts x 36 KiB = 576 KiB")
	require.Equal(t, 1, strings.Count(r.errors, "warning"))
	require.Zero(t, run(t, "umount", point).code)
}
