package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"expertfs/fsys/mountpoint"

	"github.com/stretchr/testify/require"
)

const nobody = 65534

// plainUser runs the program as a user without privileges, in a mount namespace
// of its own that a script makes ready, as root, before.
type plainUser struct {
	dir, home string
}

// newPlainUser makes a folder that is the user's, beside a copy of this binary,
// which go test puts where nobody else may go.
func newPlainUser(t *testing.T) plainUser {
	t.Helper()
	needMounts(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root to become another user")
	}
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skip("setpriv (util-linux) is not installed")
	}
	dir := t.TempDir()
	for up := dir; strings.HasPrefix(up, os.TempDir()+"/"); up = filepath.Dir(up) {
		require.NoError(t, os.Chmod(up, 0o755))
	}
	look := exec.Command("test", "-x", dir)
	look.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if look.Run() != nil {
		t.Skip("other users cannot get into ", os.TempDir())
	}
	text, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "expertfs"), text, 0o755))
	home := filepath.Join(dir, "home")
	require.NoError(t, os.Mkdir(home, 0o755))
	require.NoError(t, os.Chown(home, nobody, nobody))
	return plainUser{dir, home}
}

// run runs setup as root and then the program as the user. $DIR is the folder
// above the user's.
func (u plainUser) run(t *testing.T, setup string, args ...string) result {
	t.Helper()
	script := `set -e; DIR="$0"; ` + letGo + setup + `; cd "$DIR/home"
		exec setpriv --reuid=65534 --regid=65534 --clear-groups "$DIR/expertfs" "$@"`
	cmd := exec.Command("sh", append([]string{"-c", script, u.dir}, args...)...)
	cmd.Env = append(os.Environ(), programEnv+"=1", "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	return finish(t, cmd)
}

// openDevice gives everybody /dev/fuse, as most systems do.
const openDevice = `[ -e "$DIR/fuse" ] || mknod -m 666 "$DIR/fuse" c 10 229; mount --bind "$DIR/fuse" /dev/fuse`

func TestErrorsOfPlainUsers(t *testing.T) {
	u := newPlainUser(t)
	if r := u.run(t, openDevice, "version"); r.code != 0 {
		t.Skip("cannot be made ready here: ", r.errors)
	}
	fusermount := "for f in fusermount3 fusermount; do p=$(command -v $f) && mount --bind /dev/null $(readlink -f $p); done"
	for _, c := range []struct {
		name, setup string
		code        int
		text        string
		args        []string
	}{
		{"no device", `touch "$DIR/none"; chmod 600 "$DIR/none"; mount --bind "$DIR/none" /dev/fuse`, exitNoDevice, "/dev/fuse", nil},
		{"no fusermount3", openDevice + "; " + fusermount, exitNoFusermount, "package fuse3", nil},
		{"not his folder", openDevice + `; mkdir "$DIR/other"`, exitPointUnwritable, "not writable", []string{"../other"}},
		{"allow_other", openDevice + `; : > "$DIR/conf"; [ ! -e /etc/fuse.conf ] || mount --bind "$DIR/conf" /etc/fuse.conf`, exitRefused, "user_allow_other", []string{"-o", "allow_other", "."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "allow_other" {
				needFusermount(t) // it is what refuses
			}
			if c.args == nil {
				c.args = []string{"."}
			}
			last := len(c.args) - 1
			args := append(append([]string{"mount", "--ram", "1MiB"}, c.args[:last]...), "embed:tiny", c.args[last])
			r := u.run(t, c.setup, args...)
			require.Equal(t, c.code, r.code, r.errors)
			require.Contains(t, r.errors, c.text)
			require.NotContains(t, r.errors, "code 256", "the status of wait(2) is no exit code")
		})
	}
}

// needFusermount skips a test that needs the program by which plain users mount.
func needFusermount(t *testing.T) {
	t.Helper()
	if _, err := mountpoint.Fusermount(); err != nil {
		t.Skip(err)
	}
}

// TestPlainUserMounts mounts and unmounts as a plain user does; the namespace
// and what is mounted in it end with the shell.
func TestPlainUserMounts(t *testing.T) {
	needFusermount(t)
	u := newPlainUser(t)
	if r := u.run(t, openDevice, "version"); r.code != 0 {
		t.Skip("cannot be made ready here: ", r.errors)
	}
	setup := openDevice + `
		user() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
		user mkdir "$DIR/home/mnt"
		user "$DIR/expertfs" mount --ram 1MiB embed:tiny "$DIR/home/mnt"
		user cat "$DIR/home/mnt/layers/00/experts/00.safetensors" | wc -c
		user "$DIR/expertfs" status --all "$DIR/home/mnt" | grep reads:`
	r := u.run(t, setup, "umount", filepath.Join(u.home, "mnt"))
	require.Zero(t, r.code, r.errors)
	require.Contains(t, r.out, "\n34240\n")
	require.Contains(t, r.out, "# reads: direct (FUSE passthrough needs CAP_SYS_ADMIN)")
}
