package prefix

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestFilesOfOthers: what somebody else can have written is not answered from, and
// goes; the texts are open to their user alone.
func TestFilesOfOthers(t *testing.T) {
	ids := count(0, 20)
	for name, spoil := range map[string]func(t *testing.T, file string){
		"group may write": func(t *testing.T, file string) { require.NoError(t, os.Chmod(file, 0o620)) },
		"all may write":   func(t *testing.T, file string) { require.NoError(t, os.Chmod(file, 0o602)) },
		"symbolic link": func(t *testing.T, file string) {
			elsewhere := filepath.Join(t.TempDir(), "x")
			require.NoError(t, os.Rename(file, elsewhere))
			require.NoError(t, os.Symlink(elsewhere, file))
		},
		"owner": func(t *testing.T, file string) {
			if os.Geteuid() != 0 {
				t.Skip("only root gives files away")
			}
			require.NoError(t, os.Chown(file, 12345, -1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir, nil)
			keep(s, ids, 20)
			require.NoError(t, s.Close(context.Background()))
			spoil(t, files(t, dir)[0])
			requireText(t, openStore(t, dir, nil), ids, 0)
		})
	}
}

func TestFolderOfOthers(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, nil)
	keep(s, count(0, 20), 20)
	require.NoError(t, s.Close(context.Background()))
	open := func() error {
		s, err := Open(Options{Shape: testShape, Key: id{1}, Start: -1, Dir: dir, Disk: 1 << 40})
		if err == nil {
			require.NoError(t, s.Close(context.Background()))
		}
		return err
	}
	require.NoError(t, os.Chmod(s.dir, 0o755)) // others may read: no longer
	require.NoError(t, open())
	info, err := os.Stat(s.dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	require.NoError(t, os.Chmod(s.dir, 0o720))
	require.ErrorContains(t, open(), "others may write to it (mode 0720)")
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chmod(s.dir, 0o700))
		require.NoError(t, os.Chown(s.dir, 12345, -1))
		require.ErrorContains(t, open(), "it belongs to another user (uid 12345)")
	}
}

// TestUsersShareAFolder: what another user has in it keeps nobody from evicting his
// own.
func TestUsersShareAFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root is another user too")
	}
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		require.NoError(t, os.Chmod(d, 0o777))
	}
	s := openStore(t, dir, nil)
	keep(s, count(0, 20), 20)
	require.NoError(t, s.Close(context.Background()))
	own := filepath.Join(dir, id{7}.String())
	require.NoError(t, os.Mkdir(own, 0o700))
	file := filepath.Join(own, fileName(&segment{to: 20}))
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	for _, f := range []string{own, file} {
		require.NoError(t, os.Chown(f, 12345, 12345))
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	require.NoError(t, unix.Setfsuid(12345))
	out, left, _, err := victims(dir, 0)
	require.NoError(t, unix.Setfsuid(0))
	require.NoError(t, err)
	require.Zero(t, left)
	require.Len(t, out, 1)
	require.Equal(t, file, out[0].path)
}

// TestFolderThatOthersTake: what becomes of a folder is seen at the next prompt.
func TestFolderThatOthersTake(t *testing.T) {
	ids := count(0, 20)
	dir := t.TempDir()
	s := openStore(t, dir, nil)
	keep(s, ids, 20)
	require.NoError(t, s.Close(context.Background()))
	s = openStore(t, dir, nil)
	require.Equal(t, 20, s.Known(ids, 20))
	require.NoError(t, os.Chmod(s.dir, 0o722))
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "x"), nil, 0o600))
	require.Zero(t, s.Known(ids, 20))
}
