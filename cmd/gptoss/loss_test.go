package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"expertfs"
	"expertfs/infer/mapped"

	"github.com/stretchr/testify/require"
)

func TestExplainLoss(t *testing.T) {
	require.NoError(t, explainLoss("/none", nil))
	other := errors.New("another")
	require.Equal(t, other, explainLoss("/none", other))

	dir := t.TempDir()
	of := func(name string, errno syscall.Errno) error {
		return &fs.PathError{Op: "open", Path: filepath.Join(dir, name), Err: errno}
	}
	err := explainLoss(dir, of("x", syscall.ENOENT))
	require.EqualError(t, err, "the model in "+dir+" is gone: mount it again, or use --model DIR with another")
	require.ErrorIs(t, err, fs.ErrNotExist)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), nil, 0o600))
	require.EqualError(t, explainLoss(dir, errors.Join(&mapped.FaultError{}, of("x", syscall.ENOTCONN))),
		"the model in "+dir+" was mounted anew, or a file of it was cut: start again")
	require.ErrorContains(t, explainLoss(dir, of("x", syscall.EIO)), "input/output error: the drive or store under it has failed")
	full := &fs.PathError{Op: "write", Path: "/out/logits.npy", Err: syscall.EIO}
	require.Equal(t, error(full), explainLoss(dir, full))
}

// A server that dies in the middle of any command, or of an answer of chat, is told of
// with what to do about it.
func testServerDiesUnderCommands(t *testing.T, program string) {
	long := strings.Repeat(someIDs+" ", 40)
	for _, c := range []struct{ args, stdin string }{
		{"run --ids - --temp 2", long},
		{"score --ids - -b 1", long},
		{"bench -p 64 -n 64 -r 1000 --no-warmup", ""},
		{"chat", strings.Repeat(someIDs+" ", 8)},
	} {
		t.Run(strings.Fields(c.args)[0], func(t *testing.T) {
			dir := t.TempDir()
			server := mountInFront(t, program, dir, []string{"--ram", "1MiB", "--no-passthrough"})
			t.Cleanup(func() { _ = exec.Command(program, "umount", dir).Run() })
			cmd := exec.Command(os.Args[0], append(strings.Fields(c.args), "--model", dir, "-t", "1")...)
			cmd.Env = append(os.Environ(), asProgram+"=1", "EXPERTFS_KERNEL=generic") // which is slow
			cmd.Stdin = strings.NewReader(c.stdin)
			var notes strings.Builder
			cmd.Stderr = &notes
			require.NoError(t, cmd.Start())
			require.Eventually(t, func() bool {
				stats, err := expertfs.ReadStats(dir)
				return err == nil && stats.Cache.Total() > 40
			}, 5*time.Minute, 5*time.Millisecond)
			require.NoError(t, server.Process.Kill())
			_ = server.Wait()
			var exit *exec.ExitError
			require.ErrorAs(t, cmd.Wait(), &exit)
			require.Equal(t, exitFailure, exit.ExitCode())
			require.Contains(t, notes.String(), "gptoss: "+(&expertfs.DeadMountError{Point: dir}).Error()+"\n")
		})
	}
}
