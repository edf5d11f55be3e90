package fsys_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"expertfs"

	"github.com/stretchr/testify/require"
)

// openerEnv makes the test binary a program that opens layer 0 expert 5 of the
// tree at this path, and writes by which way it did, then the bytes.
const openerEnv = "EXPERTFS_TEST_OPENER"

func runOpener(root string) error {
	o := expertfs.NewOpener(root, expertfs.Names{Layers: 4, Experts: 32})
	defer o.Close()
	f, err := o.Open(expertfs.NewKey(0, 5))
	if err != nil {
		return err
	}
	defer f.Close()
	descriptors, files := o.Opens()
	fmt.Printf("%d %d\n", descriptors, files)
	_, err = io.Copy(os.Stdout, f)
	return err
}

// openAsNobody runs the test binary as another user. It returns what came out.
func openAsNobody(t *testing.T, root string) ([]byte, error) {
	t.Helper()
	dir := t.TempDir()
	openPath(t, dir)
	binary := filepath.Join(dir, "tests") // where go test puts it, nobody cannot go
	text, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(binary, text, 0o755))
	cmd := asNobody(binary)
	cmd.Env = append(os.Environ(), openerEnv+"="+root)
	return cmd.CombinedOutput()
}

// ownRuntime is the environment that has servers make the folders of sockets where
// no servers of other tests and programs make theirs.
func ownRuntime(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s") // the path of a socket is short
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	return "EXPERTFS_RUNTIME_DIR=" + dir
}

func TestOtherUsersGetNoDescriptors(t *testing.T) {
	needRoot(t)
	s := mount(t, serverConfig{}, ownRuntime(t))
	openPath(t, filepath.Dir(s.point))
	out, err := openAsNobody(t, s.point)
	require.Error(t, err)
	require.Contains(t, string(out), "permission denied")

	// Neither by the socket itself, if they learned where it is and may get there.
	socket, err := os.Readlink(s.control(expertfs.SocketFile))
	require.NoError(t, err)
	for _, path := range []string{socket, filepath.Dir(socket), filepath.Dir(filepath.Dir(socket))} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.NoError(t, os.Chmod(path, info.Mode()|0o777))
		defer os.Chmod(path, info.Mode())
	}
	fake := filepath.Join(t.TempDir(), "fake")
	require.NoError(t, os.MkdirAll(filepath.Join(fake, expertfs.ControlDir), 0o755))
	require.NoError(t, os.Symlink(socket, filepath.Join(fake, expertfs.ControlDir, expertfs.SocketFile)))
	openPath(t, fake)
	out, err = openAsNobody(t, fake)
	require.Error(t, err)
	require.Contains(t, string(out), "no such file", "it was left with the file, which is not in this folder")
}

func TestOtherUsersGetDescriptorsWithAllowOther(t *testing.T) {
	needRoot(t)
	m := openModel(t, "embed:tiny")
	s := mount(t, serverConfig{AllowOther: true}, ownRuntime(t))
	openPath(t, filepath.Dir(s.point))
	out, err := openAsNobody(t, s.point)
	require.NoError(t, err, string(out))
	require.True(t, bytes.Equal(append([]byte("1 0\n"), m.files["layers/00/experts/05.safetensors"]...), out))

	// Whoever cannot get to the mount does not find the socket.
	socket, err := os.Readlink(s.control(expertfs.SocketFile))
	require.NoError(t, err)
	root := filepath.Dir(filepath.Dir(socket))
	require.Error(t, asNobody("ls", root).Run())
	all, err := os.ReadFile("/proc/net/unix")
	require.NoError(t, err)
	require.NotContains(t, string(all), socket)
}

// TestAThousandConnections opens an expert by each of a thousand connections at
// once. All must be served, and the server must give every descriptor back.
func TestAThousandConnections(t *testing.T) {
	m := openModel(t, "embed:tiny")
	s := mount(t, serverConfig{Slots: 12})
	o := s.opener(t, m)
	_, err := readDescriptor(o, expertfs.NewKey(0, 0), true)
	require.NoError(t, err)
	before := s.descriptors(t)
	const connections = 1000
	clients := make([]*expertfs.Opener, connections)
	var wait sync.WaitGroup
	for i := range clients {
		clients[i] = s.opener(t, m)
		wait.Go(func() {
			// Few experts, so that none has to wait for a slot.
			f, err := clients[i].Open(expertfs.NewKey(i%2, i%5))
			if err == nil {
				err = f.Close()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	require.GreaterOrEqual(t, s.connections(t), connections)
	for _, c := range clients {
		c.Close()
	}
	require.Eventually(t, func() bool {
		return s.descriptors(t) <= before+10 && s.report().Cache.HeldBytes == 0 // experts' slots, the runtime
	}, patience, 10*time.Millisecond)
}

// descriptors counts what the server has open.
func (s *server) descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/" + itoa(s.cmd.Process.Pid) + "/fd")
	require.NoError(t, err)
	return len(list)
}

// TestSocketFolders: a server removes its folder at the end, and at the start
// those that others have left.
func TestSocketFolders(t *testing.T) {
	m := openModel(t, "embed:tiny")
	runtime := ownRuntime(t)
	s := mount(t, serverConfig{}, runtime)
	o := expertfs.NewOpener(s.point, m.names())
	defer o.Close()
	held, err := o.Open(expertfs.NewKey(0, 0))
	require.NoError(t, err)
	left, err := os.Readlink(s.control(expertfs.SocketFile))
	require.NoError(t, err)
	s.kill()
	require.FileExists(t, left)
	s.detach()

	// The opener finds the next mount by itself.
	s = mount(t, serverConfig{Point: s.point}, runtime)
	require.NoDirExists(t, filepath.Dir(left))
	got, err := readDescriptor(o, expertfs.NewKey(0, 1), false)
	require.NoError(t, err)
	require.True(t, bytes.Equal(m.files[m.names().ExpertPath(expertfs.NewKey(0, 1))], got))
	_, files := o.Opens()
	require.Zero(t, files)
	got, err = io.ReadAll(held)
	require.NoError(t, err, "what a dead server handed out stays good")
	require.True(t, bytes.Equal(m.files[m.names().ExpertPath(expertfs.NewKey(0, 0))], got))
	require.NoError(t, held.Close())

	// A descriptor does not keep the mount from being taken down.
	path, err := os.Readlink(s.control(expertfs.SocketFile))
	require.NoError(t, err)
	held, err = o.Open(expertfs.NewKey(0, 0))
	require.NoError(t, err)
	s.unmount()
	got, err = io.ReadAll(held)
	require.NoError(t, err)
	require.True(t, bytes.Equal(m.files[m.names().ExpertPath(expertfs.NewKey(0, 0))], got))
	require.NoError(t, held.Close())
	require.NoDirExists(t, filepath.Dir(path))
	require.DirExists(t, filepath.Dir(filepath.Dir(path)))
}

// TestWithoutASocket: where no folder for it can be had the mount serves files,
// and says why. An opener does with files, as it does on a plain copy.
func TestWithoutASocket(t *testing.T) {
	m := openModel(t, "embed:tiny")
	nowhere := "/proc/none"
	s := mount(t, serverConfig{}, "EXPERTFS_RUNTIME_DIR="+nowhere)
	require.NoFileExists(t, s.control(expertfs.SocketFile))
	require.Contains(t, s.report().NoSocket, nowhere)
	text, err := os.ReadFile(s.control(expertfs.StatsFile))
	require.NoError(t, err)
	require.True(t, strings.Contains(string(text), "# socket for descriptors: none ("), string(text))
	o := expertfs.NewOpener(s.point, m.names())
	defer o.Close()
	for range 2 {
		got, err := readDescriptor(o, expertfs.NewKey(3, 1), true)
		require.NoError(t, err)
		require.True(t, bytes.Equal(m.files[m.names().ExpertPath(expertfs.NewKey(3, 1))], got))
	}
	descriptors, files := o.Opens()
	require.Zero(t, descriptors)
	require.Equal(t, int64(2), files)
	require.Zero(t, s.report().Requests.Descriptors)
}

// TestSocketFromPython runs what docs/semantics.md shows.
func TestSocketFromPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil || exec.Command(python, "-c", "import socket; socket.recv_fds").Run() != nil {
		t.Skip("no Python of 3.9 or later")
	}
	doc, err := os.ReadFile("../docs/semantics.md")
	require.NoError(t, err)
	_, code, found := strings.Cut(string(doc), "```python\n")
	require.True(t, found)
	code, _, _ = strings.Cut(code, "```")
	m := openModel(t, "embed:tiny")
	s := mount(t, serverConfig{})
	var stderr bytes.Buffer
	cmd := exec.Command(python, "-c", code, s.point)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	require.True(t, bytes.Equal(m.files[m.names().ExpertPath(expertfs.NewKey(3, 7))], out))
	require.Equal(t, int64(1), s.report().Requests.Descriptors)
	require.Eventually(t, func() bool { return s.report().Cache.HeldBytes == 0 }, patience, time.Millisecond)
}
