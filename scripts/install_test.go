package scripts

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestInstall installs what was built as root often does, without Go, and takes it
// away again.
func TestInstall(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	bin, dest := filepath.Join(dir, "bin"), filepath.Join(dir, "dest")
	make := func(target string) ([]byte, error) {
		cmd := exec.Command("make", target, "GO=no-such-go", "BIN="+bin, "DESTDIR="+dest, "PREFIX=/opt/new")
		cmd.Dir = ".."
		return cmd.CombinedOutput()
	}
	out, err := make("install")
	require.Error(t, err)
	require.Contains(t, string(out), "needed: Go ", "nothing was built")

	build := exec.Command("go", "build", "-buildvcs=false", "-o", bin+"/", "expertfs/cmd/expertfs", "expertfs/cmd/gptoss")
	out, err = build.CombinedOutput()
	require.NoError(t, err, string(out))
	out, err = make("install")
	require.NoError(t, err, string(out))
	for _, helper := range []string{"mount.expertfs", "mount.fuse.expertfs"} {
		target, err := os.Readlink(filepath.Join(dest, "sbin", helper))
		require.NoError(t, err)
		require.Equal(t, "/opt/new/bin/expertfs", target)
	}
	require.FileExists(t, filepath.Join(dest, "opt/new/bin/gptoss"))
	require.FileExists(t, filepath.Join(dest, "opt/new/share/man/man1/expertfs-mount.1.gz"))

	papers := filepath.Join(dest, "opt/new/share/doc/expertfs")
	require.FileExists(t, filepath.Join(papers, "docs/troubleshooting.md"))
	checkLinks(t, papers)

	out, err = make("uninstall")
	require.NoError(t, err, string(out))
	require.NoDirExists(t, papers)
	require.NoDirExists(t, filepath.Join(dest, "opt/new/share/fish"))
	require.NoError(t, filepath.WalkDir(dest, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("left behind: %s", path)
		}
		return err
	}))
}
