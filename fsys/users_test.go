package fsys_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"expertfs"
	"expertfs/fsys/mountpoint"
	"expertfs/policy"

	"github.com/stretchr/testify/require"
)

const nobody = 65534

// asNobody makes a command run as a user without privileges.
func asNobody(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return cmd
}

// openPath lets every user get to dir, a temporary folder.
func openPath(t *testing.T, dir string) {
	t.Helper()
	for up := dir; strings.HasPrefix(up, os.TempDir()+"/"); up = filepath.Dir(up) {
		require.NoError(t, os.Chmod(up, 0o755))
	}
	if asNobody("test", "-x", dir).Run() != nil {
		t.Skip("other users cannot get into ", os.TempDir())
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to become another user")
	}
}

func TestOtherUsersStayOut(t *testing.T) {
	needRoot(t)
	s := mount(t, serverConfig{})
	openPath(t, filepath.Dir(s.point))
	out, err := asNobody("cat", s.path("config.json")).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "Permission denied")
}

func TestAllowOtherLetsThemReadAndNoMore(t *testing.T) {
	needRoot(t)
	m := openModel(t, "embed:tiny")
	s := mount(t, serverConfig{AllowOther: true})
	openPath(t, filepath.Dir(s.point))
	out, err := asNobody("cat", s.expert(0, 5)).Output()
	require.NoError(t, err)
	require.Equal(t, m.files["layers/00/experts/05.safetensors"], out)
	out, err = asNobody("cat", s.control("policy")).Output()
	require.NoError(t, err)
	require.Equal(t, policy.Default+"\n", string(out))
	for _, script := range []string{`echo lru > "$0"/.expertfs/policy`, `echo lru >> "$0"/.expertfs/policy`, `echo touch 0/0 > "$0"/.expertfs/hints`} {
		out, err = asNobody("sh", "-c", script, s.point).CombinedOutput()
		require.Error(t, err, script)
		require.Contains(t, string(out), "Permission denied", script)
	}
	require.Error(t, asNobody("test", "-w", s.control("policy")).Run())
	require.NoError(t, exec.Command("test", "-w", s.control("policy")).Run())
}

// TestPlainUser runs TestAsPlainUser as a user without privileges, in a mount
// namespace of its own in which /dev/fuse is open to all as it is on most
// systems.
func TestPlainUser(t *testing.T) {
	needRoot(t)
	needFUSE(t)
	dir := t.TempDir()
	openPath(t, dir)
	home := filepath.Join(dir, "home")
	require.NoError(t, os.Mkdir(home, 0o755))
	require.NoError(t, os.Chown(home, nobody, nobody))
	binary := filepath.Join(dir, "tests") // where go test puts it, nobody cannot go
	text, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(binary, text, 0o755))

	const noSetup = 99
	// It lets go of the mounts of tests that run beside, whose servers could not end.
	script := `grep ' fuse.expertfs ' /proc/self/mountinfo | cut -d' ' -f5 | while read -r m; do
			umount -l "$(printf '%b' "$m")" 2>/dev/null || true; done
		{ mknod -m 666 "$0/fuse" c 10 229 && mount --bind "$0/fuse" /dev/fuse; } || exit 99
		cd "$0/home" && exec setpriv --reuid=65534 --regid=65534 --clear-groups "$0/tests" -test.run='^TestAsPlainUser$' -test.v`
	cmd := exec.Command("sh", "-c", script, dir)
	cmd.Env = append(os.Environ(), "TMPDIR="+home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && (exit.ExitCode() == noSetup || exit.ExitCode() == 127) {
		t.Skipf("cannot be made ready here: %s", out)
	}
	require.NoError(t, err, string(out))
	if strings.Contains(string(out), "--- SKIP") {
		t.Skipf("%s", out)
	}
	require.Contains(t, string(out), "--- PASS: TestAsPlainUser")
	t.Logf("%s", out)
}

func TestAsPlainUser(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("for users without privileges; see TestPlainUser")
	}
	m := openModel(t, "embed:tiny")
	s := mount(t, serverConfig{Slots: 12})
	r := s.report()
	require.Equal(t, expertfs.Direct, r.Mechanism)
	require.Contains(t, r.Why, "CAP_SYS_ADMIN")
	require.Contains(t, []string{"tmpfs with huge pages", "tmpfs", "memfd"}, r.Cache.Mechanism)
	t.Log(r.Cache.Mechanism, r.Cache.Why)
	require.NoError(t, m.compare(s, ways, 4, 1, func() error { return nil }))
	require.NoError(t, s.write("policy", "lru"))
	o := s.opener(t, m)
	for i := range 4 * 32 {
		k := expertfs.NewKey(i%4, i/4)
		got, err := readDescriptor(o, k, i%2 == 0)
		require.NoError(t, err)
		require.True(t, bytes.Equal(m.files[m.names().ExpertPath(k)], got), k)
	}
	o.Close()

	f, err := os.Open(s.expert(0, 0))
	require.NoError(t, err)
	require.ErrorIs(t, mountpoint.Unmount(s.point, false), mountpoint.ErrBusy)
	require.NoError(t, f.Close())
	s.kill()
	require.ErrorIs(t, mountpoint.Check(s.point), expertfs.ErrDead)
	require.NoError(t, mountpoint.Unmount(s.point, false))
	require.NoError(t, mountpoint.Check(s.point))
}
