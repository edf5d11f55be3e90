package fsys_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestNothingCanBeChanged tries every call that changes files or directories.
func TestNothingCanBeChanged(t *testing.T) {
	s := mount(t, serverConfig{})
	expert, small, dir := s.expert(0, 0), s.path("config.json"), s.path("layers")
	open := func(path string, flags int) error {
		fd, err := unix.Open(path, flags, 0o644)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
	now := []unix.Timeval{unix.NsecToTimeval(time.Now().UnixNano()), unix.NsecToTimeval(time.Now().UnixNano())}
	for name, err := range map[string]error{
		"open for writing":         open(expert, unix.O_WRONLY),
		"open for both":            open(expert, unix.O_RDWR),
		"open to append":           open(small, unix.O_WRONLY|unix.O_APPEND),
		"open to truncate":         open(small, unix.O_RDONLY|unix.O_TRUNC),
		"open dense for writing":   open(s.path("dense/embedding.safetensors"), unix.O_WRONLY),
		"create":                   open(s.path("new"), unix.O_WRONLY|unix.O_CREAT),
		"create exclusively":       open(s.path("new"), unix.O_RDWR|unix.O_CREAT|unix.O_EXCL),
		"create in .expertfs":      open(s.control("new"), unix.O_WRONLY|unix.O_CREAT),
		"unnamed file":             open(dir, unix.O_RDWR|unix.O_TMPFILE),
		"truncate":                 unix.Truncate(expert, 0),
		"truncate small":           unix.Truncate(small, 1),
		"chmod":                    unix.Chmod(expert, 0o600),
		"chmod directory":          unix.Chmod(dir, 0o700),
		"chown":                    unix.Chown(expert, 1, 1),
		"utimes":                   unix.Utimes(small, now),
		"mkdir":                    unix.Mkdir(s.path("new"), 0o755),
		"mknod":                    unix.Mknod(s.path("new"), unix.S_IFIFO|0o644, 0),
		"symlink":                  unix.Symlink("x", s.path("new")),
		"link":                     unix.Link(small, s.path("new")),
		"rename":                   unix.Rename(small, s.path("new")),
		"rename over":              unix.Rename(small, s.path("tokenizer.json")),
		"unlink":                   unix.Unlink(expert),
		"unlink a control file":    unix.Unlink(s.control("policy")),
		"rmdir":                    unix.Rmdir(s.path("layers/00/experts")),
		"setxattr":                 unix.Setxattr(expert, "user.expertfs.tier", []byte("ram"), 0),
		"setxattr of others":       unix.Setxattr(small, "user.x", []byte("y"), 0),
		"removexattr":              unix.Removexattr(expert, "user.expertfs.tier"),
		"access for writing":       unix.Access(expert, unix.W_OK),
		"access directory writing": unix.Access(dir, unix.W_OK),
	} {
		require.ErrorIs(t, err, unix.EROFS, name)
	}
	require.NoError(t, unix.Access(expert, unix.R_OK))
	require.ErrorIs(t, unix.Access(expert, unix.X_OK), unix.EACCES)
	require.NoError(t, unix.Access(dir, unix.R_OK|unix.X_OK))

	f, err := os.Open(expert)
	require.NoError(t, err)
	defer f.Close()
	_, err = unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.ErrorIs(t, err, unix.EACCES)
}

// TestPrivateMappingsAreTheReadersOwn writes to a private mapping, which must
// reach nobody else.
func TestPrivateMappingsAreTheReadersOwn(t *testing.T) {
	s := mount(t, serverConfig{})
	want, err := os.ReadFile(s.expert(0, 0))
	require.NoError(t, err)
	f, err := os.Open(s.expert(0, 0))
	require.NoError(t, err)
	defer f.Close()
	mem, err := unix.Mmap(int(f.Fd()), 0, len(want), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	require.NoError(t, err)
	defer unix.Munmap(mem)
	require.Equal(t, want, mem)
	clear(mem)
	got, err := os.ReadFile(s.expert(0, 0))
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestReadOnlyMountRefusesControl(t *testing.T) {
	s := mount(t, serverConfig{ReadOnly: true})
	require.ErrorIs(t, os.WriteFile(s.control("policy"), []byte("lru"), 0), unix.EROFS)
	require.ErrorIs(t, os.WriteFile(s.control("hints"), []byte("touch 0/0"), 0), unix.EROFS)
	_, err := os.ReadFile(s.control("policy"))
	require.NoError(t, err)
}
