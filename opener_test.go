package expertfs

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestOpenOfAServerThatDoesNotAnswer: neither where it accepts and keeps silent, nor
// where its queue of connections is full, is it waited for without end; and the file
// is not asked for, which could not be given up.
func TestOpenOfAServerThatDoesNotAnswer(t *testing.T) {
	root, err := os.MkdirTemp("", "s") // the path of a socket is short
	require.NoError(t, err)
	defer os.RemoveAll(root)
	require.NoError(t, os.Mkdir(filepath.Join(root, ControlDir), 0o755))
	path := filepath.Join(root, "s")
	listener, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	require.NoError(t, err)
	defer listener.Close()
	require.NoError(t, os.Symlink(path, filepath.Join(root, ControlDir, SocketFile)))

	names := Names{Layers: 1, Experts: 2}
	expert := filepath.Join(root, filepath.FromSlash(names.ExpertPath(Key{})))
	require.NoError(t, os.MkdirAll(filepath.Dir(expert), 0o755))
	require.NoError(t, os.WriteFile(expert, []byte("expert"), 0o644))
	o := NewOpener(root, names)
	defer o.Close()
	o.patience = 50 * time.Millisecond
	_, err = o.Open(Key{})
	require.ErrorIs(t, err, syscall.ETIMEDOUT)

	// As many connections as the kernel queues, and one more.
	raw, err := listener.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) }))
	require.NoError(t, err)
	_, err = o.Open(Key{})
	require.ErrorIs(t, err, syscall.ETIMEDOUT)

	// A server that is gone is another matter.
	listener.SetUnlinkOnClose(true)
	require.NoError(t, listener.Close())
	o.noDial = time.Time{}
	f, err := o.Open(Key{})
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
