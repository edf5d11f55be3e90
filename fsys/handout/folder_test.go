package handout

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheNamedFolderIsLeftAsItIs: it may be /tmp, or somebody's home.
func TestTheNamedFolderIsLeftAsItIs(t *testing.T) {
	root, err := os.MkdirTemp("", "s") // the path of a socket is short
	require.NoError(t, err)
	defer os.RemoveAll(root)
	require.NoError(t, os.Chmod(root, 0o777|os.ModeSticky))
	for _, theirs := range []string{"theirs", "expertfs/theirs"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, theirs), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, theirs, "socket"), nil, 0o600))
	}
	left := filepath.Join(root, "expertfs", "0123456789abcdef0123") // of a server that is gone
	require.NoError(t, os.Mkdir(left, 0o700))
	t.Setenv(RuntimeEnv, root)
	f, err := newFolder(false)
	require.NoError(t, err)
	f.remove()
	require.NoDirExists(t, left)
	for _, theirs := range []string{"theirs", "expertfs/theirs"} {
		require.FileExists(t, filepath.Join(root, theirs, "socket"))
	}
	info, err := os.Stat(root)
	require.NoError(t, err)
	require.Equal(t, os.ModeDir|os.ModeSticky|0o777, info.Mode())
}
