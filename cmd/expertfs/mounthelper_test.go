package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMountHelperArgs(t *testing.T) {
	for _, letters := range [][]string{{"-s", "-n", "-v"}, {"-snv"}, {"-s", "-nv"}} {
		args := append([]string{"/data", "/mnt"}, letters...)
		out, fake := mountHelperArgs(append(args, "-N", "/proc/1/ns/mnt", "-t", "expertfs", "-o", "rw,ram=1GiB"))
		require.False(t, fake)
		require.Equal(t, []string{"mount", "/data", "/mnt", "-o", "rw,ram=1GiB"}, out)
	}
	_, fake := mountHelperArgs([]string{"/data", "/mnt", "-sfnv", "-o", "ro"})
	require.True(t, fake)
}

// TestMountHelper calls the program as mount(8) does for a line of /etc/fstab.
func TestMountHelper(t *testing.T) {
	needMounts(t)
	for _, name := range []string{"mount.expertfs", "mount.fuse.expertfs"} {
		point := newPoint(t)
		cmd := program("embed:tiny", point, "-n", "-o", "rw,nofail,_netdev,x-systemd.automount,ram=2MiB,policy=lru")
		cmd.Args[0] = "/sbin/" + name
		r := finish(t, cmd)
		require.Zero(t, r.code, r.errors)
		require.Equal(t, int64(2<<20), report(t, point).Cache.Budget)
		require.Zero(t, run(t, "umount", point).code)
	}
}

// TestMountAll has mount(8) itself mount a line of an fstab, twice: the second time
// there is nothing to do.
func TestMountAll(t *testing.T) {
	needNamespaces(t)
	dir := t.TempDir()
	dir, err := filepath.EvalSymlinks(dir)
	require.NoError(t, err)
	model := synthModel(t)
	require.NoError(t, os.Symlink(model, filepath.Join(dir, "model")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "helpers"), 0o755))
	for _, helper := range []string{"mount.expertfs", "mount.fuse.expertfs"} {
		require.NoError(t, os.Symlink(os.Args[0], filepath.Join(dir, "helpers", helper)))
	}
	escaped := strings.NewReplacer(" ", `\040`) // as fstab and the mount table have blanks
	for _, line := range []string{
		"embed:tiny DIR/mnt expertfs ram=1MiB,nofail 0 0",
		"MODEL DIR/mnt fuse.expertfs ro,ram=1MiB,noatime,lazytime,nosymfollow,silent,norelatime,nostrictatime,iversion,x-mount.mkdir 0 0",
		"DIR/model DIR/mnt expertfs defaults,ram=1MiB 0 0", // a symlink
	} {
		line = strings.NewReplacer("DIR", escaped.Replace(dir), "MODEL", escaped.Replace(model)).Replace(line)
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "mnt"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "fstab"), []byte(line+"\n"), 0o644))
		// The helpers must be in /sbin: here it has them in front of what it had.
		r := inNamespace(t, `mount -t overlay -o "lowerdir=$1/helpers:$(readlink -f /sbin)" overlay "$(readlink -f /sbin)" || exit 77
			mount -a -T "$1/fstab"
			mount -a -T "$1/fstab" || echo "again: $?"
			echo "mounts: $(grep -cF " $2/mnt " /proc/self/mountinfo)"
			"$0" umount "$1/mnt"`, dir, escaped.Replace(dir))
		if r.code == 77 {
			t.Skip("no overlay of /sbin here: ", r.errors)
		}
		require.Zero(t, r.code, r.errors)
		require.Equal(t, 1, strings.Count(r.out, "/.expertfs\n"), "%s: %s%s", line, r.out, r.errors)
		require.True(t, strings.HasSuffix(r.out, "\nmounts: 1\n"), "%s: %s%s", line, r.out, r.errors)
	}
}
