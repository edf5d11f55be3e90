package mountpoint

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"expertfs"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, Check(dir))

	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(dir, link))
	require.NoError(t, Check(link))

	require.ErrorIs(t, Check(filepath.Join(dir, "missing")), ErrMissing)

	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	require.ErrorIs(t, Check(file), ErrNotDir)

	err := Check(dir)
	require.ErrorIs(t, err, ErrNotEmpty)
	require.ErrorContains(t, err, `"file"`)
}

func TestFindRefusesOtherFolders(t *testing.T) {
	_, err := Find(t.TempDir())
	require.ErrorIs(t, err, ErrNotMounted)
	_, err = Find("/proc")
	require.ErrorIs(t, err, ErrNotMounted)
	_, err = Find("/no such folder")
	require.ErrorIs(t, err, ErrMissing)
	require.ErrorIs(t, Unmount(t.TempDir(), true), ErrNotMounted)
}

func TestResolve(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	folder := filepath.Join(dir, "folder")
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "sub"), 0o755))
	for name, target := range map[string]string{"a": "folder", "b": "a", "c": folder + "/sub/..", "loop": "loop", "dead": "nothing"} {
		require.NoError(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	for path, want := range map[string]string{
		"folder": folder, "a": folder, "b": folder, "c": folder, "b/sub": folder + "/sub", "folder/../b/": folder,
	} {
		got, err := Resolve(filepath.Join(dir, path))
		require.NoError(t, err, path)
		require.Equal(t, want, got, path)
	}
	_, err = Resolve(filepath.Join(dir, "loop"))
	require.ErrorIs(t, err, unix.ELOOP)
	_, err = Resolve(filepath.Join(dir, "dead"))
	require.ErrorIs(t, err, os.ErrNotExist)
	root, err := Resolve("/")
	require.NoError(t, err)
	require.Equal(t, "/", root)
}

// TestRead reads ordinary files: the process that does it knows no mounts.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	content := strings.Repeat("line\n", 100_000) // more than a pipe holds
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte(content), 0o644))
	text, err := Read(dir, "file")
	require.NoError(t, err)
	require.Equal(t, content, string(text))
	_, err = Read(dir, "missing")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.False(t, Dead(dir))

	require.NoError(t, Write(dir, "file", "new"))
	text, err = Read(dir, "file")
	require.NoError(t, err)
	require.Equal(t, "new"+content[3:], string(text))
	require.ErrorIs(t, Write(dir, "missing", "new"), os.ErrNotExist)

	// Nobody has the other end of this pipe: its open hangs, as on a mount whose server does.
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "pipe"), 0o644))
	t.Cleanup(func() { probePatience = ProbePatience })
	probePatience = 100 * time.Millisecond
	_, err = Read(dir, "pipe")
	require.ErrorIs(t, err, ErrSilent)
	require.ErrorContains(t, err, "expertfs umount --lazy "+expertfs.ShellQuote(dir))
	require.ErrorIs(t, Write(dir, "pipe", "new"), ErrSilent)
	require.Empty(t, Holders(dir), "the one who waited is gone")
}

func TestClaim(t *testing.T) {
	dir := t.TempDir()
	release, err := Claim(dir)
	require.NoError(t, err)
	_, err = Claim(dir)
	require.ErrorIs(t, err, ErrMounted)
	release()
	release()
	release, err = Claim(dir)
	require.NoError(t, err)
	release()
}

func TestStopped(t *testing.T) {
	child := exec.Command("cat")
	stdin, err := child.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	require.False(t, Stopped(child.Process.Pid))
	require.NoError(t, child.Process.Signal(unix.SIGSTOP))
	require.Eventually(t, func() bool { return Stopped(child.Process.Pid) }, 5*time.Minute, time.Millisecond)
	require.NoError(t, child.Process.Signal(unix.SIGCONT))
	require.NoError(t, stdin.Close())
	require.NoError(t, child.Wait())
	require.False(t, Serves(os.Getpid()))
}

// TestHolders looks for a process of ours in an ordinary folder: how processes
// are found does not depend on what is mounted there.
func TestHolders(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	require.Empty(t, Holders(dir))

	child := exec.Command("cat") // until its stdin ends
	child.Dir = dir
	stdin, err := child.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	require.Equal(t, []Holder{{child.Process.Pid, "cat", "working directory"}}, Holders(dir))
	require.NoError(t, stdin.Close())
	require.NoError(t, child.Wait())

	f, err := os.Create(filepath.Join(dir, "03.safetensors"))
	require.NoError(t, err)
	defer f.Close()
	require.Empty(t, Holders(dir), "the caller is left out")
	child = exec.Command("cat")
	child.ExtraFiles = []*os.File{f}
	stdin, err = child.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	require.Equal(t, []Holder{{child.Process.Pid, "cat", "open file 03.safetensors"}}, Holders(dir))
	require.Empty(t, Holders(dir+"-other"))
	require.NoError(t, stdin.Close())
	require.NoError(t, child.Wait())
}
