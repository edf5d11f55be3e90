package mountpoint

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const table = `24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
97 24 0:45 / /mnt/my\040model rw,nosuid,nodev,relatime shared:50 master:1 - fuse.expertfs expertfs:gpt-oss-20b rw,user_id=0,group_id=0
98 24 0:46 / /proc/fs rw - proc proc rw
`

func TestParseTable(t *testing.T) {
	got, err := parseTable(strings.NewReader(table))
	require.NoError(t, err)
	require.Equal(t, []Mount{
		{Point: "/", Type: "ext4", Source: "/dev/vda", Minor: 0},
		{Point: "/mnt/my model", Type: FSType, Source: "expertfs:gpt-oss-20b", Minor: 45},
		{Point: "/proc/fs", Type: "proc", Source: "proc", Minor: 46},
	}, got)
	for _, bad := range []string{"24 1 254:0 / / rw ext4\n", "24 1 254:x / / rw - ext4 s o\n", "- a b\n"} {
		_, err := parseTable(strings.NewReader(bad))
		require.Error(t, err, bad)
	}
}

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
